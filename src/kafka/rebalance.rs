//! What the group asks of a member, and the one rule of answering: each event is answered once, by an assign or an unassign
//! of the union, and nothing is unassigned at any other time. Never assigns by itself.

use super::{Error, TopicPartition};

/// What the group's coordinator decided. The client holds back the group's next rebalance until it is answered.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Rebalance {
    /// These come to us; may be none. Answered by one `incremental_assign`, be it of none yet.
    Assigned(Vec<TopicPartition>),
    /// These go to another member once we answer: finish, then one `incremental_unassign` of those of them that were
    /// assigned, and of what went along.
    Revoked(Vec<TopicPartition>),
    /// These are gone already and may have another owner: abort, forget, then `incremental_unassign` as above.
    Lost(Vec<TopicPartition>),
}

impl Rebalance {
    /// As the client tells it: it assigns, or takes back; what is lost went to others before it was told.
    pub(super) fn told(assigns: bool, is_lost: bool, partitions: Vec<TopicPartition>) -> Self {
        match (assigns, is_lost) {
            (true, _) => Self::Assigned(partitions),
            (false, true) => Self::Lost(partitions),
            (false, false) => Self::Revoked(partitions),
        }
    }

    pub fn partitions(&self) -> &[TopicPartition] {
        match self {
            Self::Assigned(partitions) | Self::Revoked(partitions) | Self::Lost(partitions) => partitions,
        }
    }
}

/// The answer that the group waits for.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) enum Pending {
    #[default]
    Nothing,
    Assign,
    Unassign,
}

impl Pending {
    pub(super) fn of(event: &Rebalance) -> Self {
        match event {
            Rebalance::Assigned(_) => Self::Assign,
            Rebalance::Revoked(_) | Rebalance::Lost(_) => Self::Unassign,
        }
    }

    /// Assigning is allowed at any time (new partitions of an input), but not in place of an unassign that is waited for.
    pub(super) fn allow_assign(self) -> Result<(), Error> {
        match self {
            Self::Nothing | Self::Assign => Ok(()),
            Self::Unassign => Err(Error::Misuse(
                "partitions were revoked: unassign them before assigning others",
            )),
        }
    }

    /// Any unassign is taken as the answer to a revocation, so none may come without one.
    pub(super) fn allow_unassign(self) -> Result<(), Error> {
        match self {
            Self::Unassign => Ok(()),
            Self::Nothing | Self::Assign => Err(Error::Misuse(
                "nothing was revoked: pause a partition instead of unassigning it",
            )),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_went_to_others_already_is_lost_and_not_revoked() {
        let told = |assigns, is_lost| Rebalance::told(assigns, is_lost, Vec::new());
        assert_eq!(told(false, true), Rebalance::Lost(Vec::new()));
        assert_eq!(told(false, false), Rebalance::Revoked(Vec::new()));
        assert_eq!(told(true, false), Rebalance::Assigned(Vec::new()));
    }

    #[test]
    fn an_unassign_answers_a_revocation_and_nothing_else() {
        let revoked = Pending::of(&Rebalance::Revoked(vec![]));
        assert!(revoked.allow_unassign().is_ok());
        assert!(revoked.allow_assign().is_err());
        assert!(Pending::of(&Rebalance::Lost(vec![])).allow_unassign().is_ok());
        assert!(Pending::of(&Rebalance::Assigned(vec![])).allow_unassign().is_err());
        assert!(Pending::Nothing.allow_unassign().is_err());
        assert!(Pending::Nothing.allow_assign().is_ok());
    }
}
