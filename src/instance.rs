//! The identity of this process that outlives it: a restarted process takes the one that it had, and several on one host
//! have different ones. Known to Kafka as a part of the transactional ids.

use std::fs::{File, OpenOptions, TryLockError};
use std::io;
use std::path::Path;

/// As many processes of one group on one host as anybody runs.
const SLOTS: usize = 256;

/// An instance's id, and the lock that says it is in use; free again when this is dropped, or the process is gone.
#[derive(Debug)]
pub struct Instance {
    id: String,
    _lock: Option<File>,
}

#[derive(Debug, thiserror::Error)]
pub enum InstanceError {
    #[error("can't lock an instance's slot in {folder} ({source}): make it writable, or set kafka.instance_id")]
    Io { folder: String, source: io::Error },
    #[error("all {SLOTS} slots of {host} are in use: set kafka.instance_id")]
    Full { host: String },
}

impl Instance {
    /// The configured id, else the host's name and its first free slot; the locks stand in `folder`.
    pub fn claim(configured: Option<&str>, group: &str, folder: &Path) -> Result<Self, InstanceError> {
        if let Some(id) = configured {
            let id = id.to_owned();
            return Ok(Self { id, _lock: None });
        }
        let host = gethostname::gethostname().to_string_lossy().into_owned();
        for slot in 0..SLOTS {
            let id = format!("{host}-{slot}");
            let path = folder.join(format!("chatroom-router-{group}-{slot}.lock"));
            let lock = locked(&path).map_err(|source| {
                let folder = folder.display().to_string();
                InstanceError::Io { folder, source }
            })?;
            if lock.is_some() {
                return Ok(Self { id, _lock: lock });
            }
        }
        Err(InstanceError::Full { host })
    }

    #[must_use]
    pub fn id(&self) -> &str {
        &self.id
    }
}

/// None: it is another's, be it another user's.
fn locked(path: &Path) -> io::Result<Option<File>> {
    let file = match OpenOptions::new().create(true).truncate(false).write(true).open(path) {
        Ok(file) => file,
        Err(error) if error.kind() == io::ErrorKind::PermissionDenied && path.exists() => return Ok(None),
        Err(error) => return Err(error),
    };
    match file.try_lock() {
        Ok(()) => Ok(Some(file)),
        Err(TryLockError::WouldBlock) => Ok(None),
        Err(TryLockError::Error(error)) => Err(error),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_process_of_a_host_has_its_own_slot_and_gets_it_back() {
        let folder = tempfile::tempdir().unwrap();
        let claim = || Instance::claim(None, "g", folder.path()).unwrap();
        let (first, second) = (claim(), claim());
        assert!(
            first.id().ends_with("-0") && second.id().ends_with("-1"),
            "{first:?} {second:?}"
        );
        let id = first.id().to_owned();
        drop(first);
        assert_eq!(claim().id(), id);
    }

    #[test]
    fn groups_do_not_share_slots() {
        let folder = tempfile::tempdir().unwrap();
        let first = Instance::claim(None, "g", folder.path()).unwrap();
        let other = Instance::claim(None, "h", folder.path()).unwrap();
        assert_eq!(first.id(), other.id());
    }

    #[test]
    fn a_configured_id_is_taken_as_it_is() {
        let instance = Instance::claim(Some("router-7"), "g", Path::new("/absent")).unwrap();
        assert_eq!(instance.id(), "router-7");
        let error = Instance::claim(None, "g", Path::new("/absent")).unwrap_err();
        assert!(error.to_string().contains("kafka.instance_id"), "{error}");
    }
}
