//! Phones in E.164: which texts are one, and under which canonical spelling WhatsApp's variants meet (P1, P2).

use std::fmt;

/// A number in E.164, as its digits: at most fifteen, so they fit.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Phone(pub u64);

impl fmt::Display for Phone {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "+{}", self.0)
    }
}

/// Masked, so that no log ever holds a customer's number.
impl fmt::Debug for Phone {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let digits = self.0.to_string();
        let (head, rest) = digits.split_at(digits.len().min(2));
        let (hidden, tail) = rest.split_at(rest.len().saturating_sub(4));
        write!(f, "+{head}{}{tail}", "*".repeat(hidden.len()))
    }
}

/// One phone and the way it was spelled when it came in (P2).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct SpelledPhone {
    pub canonical: Phone,
    pub spelled: Phone,
}
