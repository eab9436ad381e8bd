//! Where an inbound message goes (I0 to I11).

use super::draft::Draft;
use super::event::Inbound;
use super::record::Needs;

pub fn inbound(_draft: &mut Draft, _inbound: &Inbound) -> Result<(), Needs> {
    Ok(())
}
