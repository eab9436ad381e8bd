//! What a setting is made of: its key, its shape, what holds when nobody sets it, and why one would.

/// One setting.
pub struct Knob {
    pub key: &'static str,
    pub kind: Kind,
    pub default: Preset,
    /// What it does, and what else must move with it.
    pub why: &'static str,
}

/// What a setting's text must be. A check says what to write instead.
#[derive(Clone, Copy)]
pub enum Kind {
    Text(fn(&str) -> Result<(), &'static str>),
    /// A whole number between these two, both allowed.
    Number(u64, u64),
    Flag,
    Choice(&'static [&'static str]),
    /// Never shown; may come from the file that `<key>_file` names.
    Secret(fn(&str) -> Result<(), &'static str>),
    /// The path of a file that the clients read themselves.
    File,
    /// An address that may hold a password: shown without it; may come from a file too.
    Url(fn(&str) -> Result<(), &'static str>),
    /// Who may use the API: never shown but for the names; may come from a file too.
    Tokens,
    /// All keys under this one, as they are.
    Properties,
}

/// What holds when nobody sets it.
#[derive(Clone, Copy)]
pub enum Preset {
    Is(&'static str),
    /// Nothing, or what follows from elsewhere: in words, and an example of what might be set.
    Derived(&'static str, &'static str),
}

impl Kind {
    /// Whether `<key>_file` may name a file that holds it.
    pub fn may_come_from_file(self) -> bool {
        matches!(self, Self::Secret(_) | Self::Url(_) | Self::Tokens)
    }
}
