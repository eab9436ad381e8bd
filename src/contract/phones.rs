//! Numbers as machines write them, each read once: the same text is the same number, so what was read before is known. Holds
//! no more than a bound, and gives what [`parse_international`] gives.

use crate::domain::phone::{PhoneFault, SpelledPhone, parse_international};
use quick_cache::unsync::Cache;
use std::cell::RefCell;

/// The numbers that stay known: all of a business's own, which stand in every message, and those of who wrote lately. To read
/// one anew takes a dozen regular expressions.
const KNOWN: usize = 65_536;

/// A number has at most 15 digits (E.164) and a plus; what is longer is read each time. Behind a shorter one stand zeros.
type Text = [u8; 16];

thread_local! {
    static NUMBERS: RefCell<Cache<Text, SpelledPhone>> = RefCell::new(Cache::new(KNOWN));
}

pub fn international(text: &str) -> Result<SpelledPhone, PhoneFault> {
    let Some(key) = key(text) else {
        return parse_international(text);
    };
    NUMBERS.with_borrow_mut(|numbers| {
        if let Some(known) = numbers.get(&key) {
            return Ok(*known);
        }
        let read = parse_international(text)?;
        numbers.insert(key, read);
        Ok(read)
    })
}

fn key(text: &str) -> Option<Text> {
    if text.ends_with('\0') {
        return None;
    }
    let mut key = Text::default();
    key.get_mut(..text.len())?.copy_from_slice(text.as_bytes());
    Some(key)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_number_that_is_known_reads_as_it_did_at_first() {
        for text in [
            "+919812345678",
            "919812345678",
            "+5511987654321",
            "+551187654321",
            "12025551000",
            "nobody",
            "+1",
            "+919812345678\0",
            "+91 98123 45678",
            "+91 (0) 98123 45678",
        ] {
            let read = parse_international(text);
            assert_eq!((international(text), international(text)), (read, read), "{text}");
        }
    }

    #[test]
    fn no_more_are_kept_than_the_bound() {
        let text = |number: usize| format!("+9198{number:08}");
        (0..2 * KNOWN).for_each(|number| assert!(international(&text(number)).is_ok()));
        assert!(NUMBERS.with_borrow(Cache::len) <= KNOWN);
    }
}
