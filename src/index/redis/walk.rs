//! All that a build holds, for who compares it as a whole. Scans: nothing waits for it, and it feeds no decision.

use redis::Value;

use super::super::{Error, Generation, Held, Read};
use super::keys::BUCKETS;
use super::{Redis, reply};

/// What one call of a scan looks at, roughly.
const SCANNED: usize = 1_000;

impl Redis {
    /// What changes meanwhile may be handed out as it was, as it is, or both.
    pub(in super::super) async fn walk(
        &self,
        partition: i32,
        of: &Generation,
        each: &mut (dyn FnMut(Held) + Send),
    ) -> Result<Read<()>, Error> {
        let (keys, clocks) = (self.keys(partition), self.clocks(partition, of).await?);
        let (marker, clocks) = match clocks {
            Read::Found { marker, value } => (marker, value),
            Read::Foreign(marker) => return Ok(Read::Foreign(marker)),
        };
        for bucket in 0..BUCKETS {
            let key = keys.values(of.generation, bucket as u8);
            let mut value = |key, value| {
                each(Held::Value { key, value });
                Ok(())
            };
            self.scan("HSCAN", &key, &mut value).await?;
        }
        for clock in clocks {
            let key = keys.clock(of.generation, &clock);
            let mut member = |member, start| {
                let (clock, start) = (clock.clone(), reply::instant(start)?);
                each(Held::Clock { clock, member, start });
                Ok(())
            };
            self.scan("ZSCAN", &key, &mut member).await?;
        }
        match self.marker(partition).await? {
            Some(now) if now.of == *of => Ok(Read::Found { marker, value: () }),
            other => Ok(Read::Foreign(other)),
        }
    }

    async fn scan(
        &self,
        command: &str,
        key: &[u8],
        pair: &mut (dyn FnMut(Vec<u8>, Vec<u8>) -> Result<(), Error> + Send),
    ) -> Result<(), Error> {
        let mut cursor = b"0".to_vec();
        loop {
            let call = redis::cmd(command)
                .arg(key)
                .arg(&cursor)
                .arg("COUNT")
                .arg(SCANNED)
                .to_owned();
            let mut answer = reply::array(self.link.send(&call).await?)?.into_iter();
            let (next, found) = (answer.next().unwrap_or(Value::Nil), answer.next().unwrap_or(Value::Nil));
            let mut found = reply::array(found)?.into_iter();
            while let (Some(name), Some(held)) = (found.next(), found.next()) {
                pair(reply::some_bytes(name)?, reply::some_bytes(held)?)?;
            }
            cursor = reply::some_bytes(next)?;
            if cursor == b"0" {
                return Ok(());
            }
        }
    }
}
