//! The receipt of an import that was carried out.

use super::{Became, Check, ImageLine, Override, Receipt};
use crate::audit::Checkpoint;
use crate::bundle::Timestamp;
use crate::import::{Outcome, Plan, Summary};
use crate::memory::{Memory, Place};
use crate::verify::VerifiedBundle;

/// What is not known from the bundle and what was done with it.
#[derive(Debug, Clone)]
pub struct Circumstances {
    /// What the machine calls itself.
    pub host: String,
    /// Who did it.
    pub operator: String,
    /// Who was there too.
    pub second_person: Option<String>,
    /// When the import began.
    pub started: Timestamp,
    /// When all was at the target.
    pub finished: Timestamp,
    /// How many keys had to sign, where no trust document says so.
    pub threshold: u64,
    /// Where the images went.
    pub target: Place,
    /// What was asked for beyond a plain import; sorted.
    pub overrides: Vec<Override>,
    /// Why.
    pub reason: Option<String>,
    /// What the audit log was when the import began.
    pub log: Option<Checkpoint>,
}

/// The receipt of the import of `plan` out of `bundle`, which came to `summary`; `memory` is from before.
pub fn receipt(
    bundle: &VerifiedBundle,
    plan: &Plan<'_>,
    summary: &Summary,
    memory: &Memory,
    circumstances: Circumstances,
) -> Receipt {
    let (contents, seal) = (bundle.get(), bundle.get().seal());
    let chain = contents.chain().map(|chain| chain.newest());
    let of_stream = chain.and_then(|newest| newest.streams.get(&seal.stream));
    let threshold = of_stream.map_or(circumstances.threshold, |stream| stream.threshold as u64);
    let previous = memory.newest(&seal.stream);
    Receipt {
        tool: concat!("gapferry ", env!("CARGO_PKG_VERSION")).to_owned(),
        host: circumstances.host,
        operator: circumstances.operator,
        second_person: circumstances.second_person,
        started: circumstances.started,
        finished: circumstances.finished,
        seal: contents.seal_digest(),
        stream: seal.stream.clone(),
        epoch: seal.epoch,
        sequence: seal.sequence,
        created: seal.created,
        signers: contents.signers().to_vec(),
        threshold,
        trust: chain.map_or(0, |newest| newest.number.into()),
        target: circumstances.target,
        previous: previous.map(|it| (it.epoch, it.sequence, it.seal)),
        overrides: circumstances.overrides,
        reason: circumstances.reason,
        checks: checks(bundle, summary),
        images: images(plan, summary),
        blobs: summary.blobs,
        bytes: summary.bytes,
        log: circumstances.log,
    }
}

/// A bundle that is verified passed the steps that come before its blobs; what was there already was
/// not read from it.
fn checks(bundle: &VerifiedBundle, summary: &Summary) -> [Check; 11] {
    let needed = |is: bool| if is { Check::Passed } else { Check::NotNeeded };
    let mut checks = [Check::Passed; 11];
    checks[1] = needed(bundle.get().chain().is_some());
    checks[7] = needed(summary.blobs > 0);
    checks[8] = needed(summary.blobs > 0 && !bundle.get().catalog().layers.is_empty());
    checks[10] = if summary.is_whole() { Check::Passed } else { Check::Partly };
    checks
}

fn images(plan: &Plan<'_>, summary: &Summary) -> Vec<ImageLine> {
    let lines = plan.images.iter().zip(&summary.images);
    lines
        .map(|(planned, (target, digest, outcome))| ImageLine {
            outcome: match outcome {
                Outcome::Loaded => Became::New,
                Outcome::Present => Became::Present,
                Outcome::Failed(_) => Became::Refused,
            },
            digest: *digest,
            name: planned.image.name.clone(),
            target: target.clone(),
        })
        .collect()
}
