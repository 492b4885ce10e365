//! What an export says of itself: before it begins, and when it is done.

use serde_json::json;

use super::super::context::Context;
use super::super::failure::Failure;
use super::super::media::{self, Labels};
use super::super::output::{bytes, count, escaped};
use super::super::parity;
use super::super::space::Needs;
use super::Args;
use crate::export::{PackMode, Plan, Summary};
use crate::parity::Made;

/// What would travel. What packing saves only shows when layers are read.
///
/// # Errors
/// When it cannot be printed.
pub fn print_plan(
    args: &Args,
    plan: &Plan,
    needs: &Needs<'_>,
    context: &Context,
) -> Result<(), Failure> {
    let (images, documents, blobs) = (plan.images.len(), plan.documents.len(), plan.blobs.len());
    let (size, packing) = (plan.blob_bytes(), args.pack_mode() != PackMode::Never);
    let held: Vec<u64> = plan
        .blobs
        .iter()
        .filter_map(|blob| Some(needs.bases.blob(&blob.descriptor)?.size))
        .collect();
    let held_size: u64 = held.iter().sum();
    let new = size.saturating_sub(held_size);
    let scratch = needs.scratch(plan);
    if context.json() {
        return context.print_json(&json!({
            "images": images, "documents": documents, "blobs": blobs, "blobBytes": size,
            "heldBlobs": held.len(), "heldBytes": held_size, "newBytes": new, "packing": packing,
            "scratchBytes": scratch,
        }));
    }
    let mut text = String::new();
    for image in &plan.images {
        text += &format!("{}  {}\n", image.digest, image.name);
    }
    text += &format!(
        "would write {}: {}, {} of {}\n",
        count(images, "image"),
        count(documents, "document"),
        count(blobs, "blob"),
        bytes(size)
    );
    if !held.is_empty() {
        let held = count(held.len(), "blob");
        text += &format!("the destination holds {held} of {}\n", bytes(held_size));
    }
    text += &match packing {
        true => format!("at most {} would travel, and less where packing pays\n", bytes(new)),
        false => format!("{} would travel\n", bytes(new)),
    };
    if packing {
        let place = needs.scratch.unwrap_or(needs.out).to_string_lossy();
        text += &format!("at most {} would be held in {}\n", bytes(scratch), escaped(&place));
    }
    context.print(&text)
}

/// What was written, and where it lies.
///
/// # Errors
/// When it cannot be printed.
pub fn print_summary(
    args: &Args,
    (plan, summary): (&Plan, &Summary),
    (labels, parity): (&Labels, Option<&Made>),
    context: &Context,
) -> Result<(), Failure> {
    let places = args.packaging.places();
    let out: Vec<_> = places.iter().map(|place| place.to_string_lossy()).collect();
    let (out, seal) = (out.join(", "), &summary.seal);
    if context.json() {
        return context.print_json(&json!({
            "bundle": out,
            "seal": summary.seal_digest,
            "stream": seal.stream.as_str(),
            "sequence": seal.sequence,
            "images": seal.images,
            "files": seal.files,
            "bytes": seal.bytes,
            "readBack": args.read_back,
            "media": media::labels_json(labels),
            "parity": parity.map(parity::json),
        }));
    }
    let what = if args.read_back { "written, read back and verified" } else { "written" };
    context.print(&format!(
        "{what}: {}\n{}, {}, {}\n{}stream {}, sequence {}\nseal {}\n{}",
        escaped(&out),
        count(plan.images.len(), "image"),
        count(seal.files, "file"),
        bytes(seal.bytes),
        parity.map_or(String::new(), parity::line),
        seal.stream.as_str(),
        seal.sequence,
        summary.seal_digest,
        match args.change.media_count {
            Some(_) =>
                "what is on which medium says its label.txt; the last has the head files\n".into(),
            None => media::labels_text(labels),
        }
    ))
}
