//! An export onto several media.

use super::super::change::{self, Drive, Why};
use super::super::context::Context;
use super::super::failure::{Exit, Failure};
use super::super::media;
use super::Args;
use crate::bundle::{Spread, Writer};
use crate::export::{self, Journal, JournalError, Order, PackMode, Plan, Summary};
use crate::source::Opener;

/// What goes to which medium.
///
/// # Errors
/// When it cannot fit, or an unfinished export lies on other media.
pub fn spread(
    args: &Args,
    plan: &Plan,
    journal: Option<&Journal>,
    now: u64,
) -> Result<Option<Spread>, Failure> {
    let packing = args.pack_mode() != PackMode::Never;
    if let Some(other) = journal.filter(|it| it.begun().rooms.len() != args.packaging.media.len()) {
        return Err(JournalError::Other(other.path().to_owned()).into());
    }
    if !args.packaging.media.is_empty() && packing && args.scratch.is_none() {
        let message = "layers are held while they are packed, and not on the media";
        let failure = Failure::new(Exit::Usage, "no-scratch", message);
        return Err(failure.hint("name a directory with --scratch; or pack none: --store-layers"));
    }
    let (stream, sequence) = (args.stream.as_str(), args.sequence.unwrap_or(now));
    let title = format!("stream {stream}, sequence {sequence}");
    let documents = plan.documents.values().map(|document| document.raw().len() as u64);
    let heads = plan.head_bytes(packing);
    // Documents stand in the journal, and what becomes head files.
    let noted = documents.fold(heads.saturating_mul(2), u64::saturating_add);
    let rooms = journal.map(|journal| journal.begun().rooms.as_slice());
    let spread = media::spread(&args.packaging, title, (heads, noted), rooms)?;
    Ok(spread.map(|mut spread| {
        // Those that come later are taken to be like the first, until they are there.
        if let (Some(count), [first]) = (args.change.media_count, &spread.rooms[..]) {
            spread.rooms = vec![first.clone(); count.into()];
        }
        spread
    }))
}

/// Writes media one after the other.
///
/// # Errors
/// When the next medium does not come, and whatever export says.
pub fn write_in_turn(
    args: &Args,
    plan: &Plan,
    opener: &Opener,
    (order, spread): (&Order<'_>, &Spread),
    context: &Context,
) -> Result<Summary, Failure> {
    let (medium, why) = (&args.packaging.media[0], Why::default());
    let drive = Drive {
        root: medium.root.clone(),
        count: spread.rooms.len(),
        command: args.change.media_command.clone(),
        most: medium.most,
        spare: media::spare(plan.head_bytes(order.pack != PackMode::Never)),
        read_back: args.read_back,
        is_own: change::is_own(&medium.root)?,
        why: why.clone(),
        progress: context.shared_progress(),
    };
    let writer = Writer::create_in_turn(spread.clone(), order.packaging, Box::new(drive))?;
    let written = export::write_in_turn(plan, opener, writer, order, context.progress());
    written.map_err(|error| {
        let why = why.lock().expect("no thread panics with the lock").take();
        why.unwrap_or_else(|| error.into())
    })
}
