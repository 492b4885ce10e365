//! What is wrong with a bundle, which images are lost with it, and which can still be imported.

use std::collections::BTreeSet;

use serde_json::json;

use super::context::Context;
use super::failure::{Exit, Failure};
use super::output::count;
use super::verify::explained;
use crate::bundle::MediumError;
use crate::oci::{Digest, PinnedImage};
use crate::verify::{Contents, Hurt, Losses};

/// How much of the damage is told one by one.
const MAX_TOLD: usize = 20;

/// Reads all of the bundle, and makes its packed layers unless `quick`: how many were made.
///
/// # Errors
/// When anything is missing or damaged; what is lost with it is printed.
pub fn prove(contents: &mut Contents, quick: bool, context: &Context) -> Result<usize, Failure> {
    let mut hurt = contents.take_gaps();
    hurt.extend(contents.hurt_blobs(context.progress()));
    let mut made = 0;
    if !quick {
        let (tried, more) = contents.hurt_layers(&digests(&hurt), context.progress());
        made = tried;
        hurt.extend(more);
    }
    let cut = contents.medium().cut().map(cut_short);
    if hurt.is_empty() {
        return cut.map_or(Ok(made), Err);
    }
    print_losses(&contents.losses(&digests(&hurt)), context)?;
    let told = hurt.into_iter().map(|hurt| explained(hurt.error, contents));
    let mut seen = BTreeSet::new();
    let mut failures =
        cut.into_iter().chain(told).filter(|failure| seen.insert(failure.message.clone()));
    let first =
        failures.next().unwrap_or_else(|| Failure::new(Exit::Damaged, "damaged", "damaged"));
    failures.take(MAX_TOLD).for_each(|failure| failure.warn("also", context));
    Err(first)
}

fn digests(hurt: &[Hurt]) -> BTreeSet<Digest> {
    hurt.iter().map(|hurt| hurt.digest).collect()
}

fn cut_short(error: &MediumError) -> Failure {
    match error {
        MediumError::File(_) => Failure::new(Exit::Failed, "file", error),
        _ => Failure::new(Exit::Damaged, "bad-archive", error)
            .hint("copy that volume again, from the medium or from its maker"),
    }
}

fn print_losses(losses: &Losses<'_>, context: &Context) -> Result<(), Failure> {
    let name = |image: &PinnedImage| image.name.to_string();
    if context.json() {
        let lost = losses.lost.iter().map(|lost| {
            json!({"name": name(lost.image), "digest": lost.image.digest, "needs": lost.needs})
        });
        return context.print_json(&json!({
            "verified": false,
            "whole": losses.whole.iter().map(|image| name(image)).collect::<Vec<_>>(),
            "lost": lost.collect::<Vec<_>>(),
        }));
    }
    let whole = losses.whole.iter().map(|image| format!("whole    {}\n", name(image)));
    let lost = losses.lost.iter().map(|lost| {
        let needs: Vec<_> = lost.needs.iter().take(MAX_TOLD).map(ToString::to_string).collect();
        format!("lost     {}: needs {}\n", name(lost.image), needs.join(", "))
    });
    let last = match losses.whole.len() {
        0 => "no image can be imported\n".to_owned(),
        whole => format!("{} can be imported with --keep-going\n", count(whole, "image")),
    };
    context.print(&(whole.chain(lost).collect::<String>() + &last))
}
