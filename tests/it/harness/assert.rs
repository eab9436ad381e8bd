//! Says what a record must hold, and leaves open what it may hold besides.

use serde_json::Value;

/// All that is written in `wanted` stands in `found`; objects may hold more. Panics with both.
#[track_caller]
pub fn has(found: &Value, wanted: Value) {
    if let Err(fault) = holds(found, &wanted, "") {
        panic!("{fault}\n  in   {found}\n  want {wanted}");
    }
}

/// An absent field is as good as a null one.
fn holds(found: &Value, wanted: &Value, path: &str) -> Result<(), String> {
    match (found, wanted) {
        (Value::Object(found), Value::Object(wanted)) => wanted.iter().try_for_each(|(name, value)| {
            let there = found.get(name).unwrap_or(&Value::Null);
            holds(there, value, &format!("{path}.{name}"))
        }),
        (Value::Array(there), Value::Array(want)) if there.len() == want.len() => {
            let mut pairs = there.iter().zip(want).enumerate();
            pairs.try_for_each(|(index, (there, want))| holds(there, want, &format!("{path}[{index}]")))
        }
        (found, wanted) if same(found, wanted) => Ok(()),
        (found, wanted) => Err(format!("{path} is {found}, not {wanted}")),
    }
}

/// Instants are equal however they are spelled.
pub fn same(left: &Value, right: &Value) -> bool {
    if left == right {
        return true;
    }
    let instant = |value: &Value| value.as_str().and_then(|text| text.parse::<jiff::Timestamp>().ok());
    matches!((instant(left), instant(right)), (Some(left), Some(right)) if left == right)
}
