//! `gapferry lock --check`: what has moved since a lock was written.

use std::path::Path;

use serde_json::json;

use super::context::Context;
use super::failure::{Exit, Failure};
use super::images::{partial, read_lock};
use super::lock::Args;
use super::output::count;
use super::registries;
use crate::oci::PinnedImage;
use crate::pool;
use crate::select::{Attached, Change, check};
use crate::source::Opener;

/// Does it, for the lock at `path`.
///
/// # Errors
/// `lock-moved` when anything is not as it was; when the lock cannot be read or a source not asked.
pub fn run(path: &Path, args: &Args, context: &Context) -> Result<(), Failure> {
    let lock = read_lock(path)?;
    let opener = Opener::new(registries::client(&args.registries, context)?);
    let referrers = !args.images.wanted_referrers().is_none();
    context.progress().begin("asking", 0);
    let results = pool::run(args.registries.jobs.into(), lock.images(), |image| {
        let found = match opener.source(image) {
            Ok(source) => check(Ok(source.as_ref()), image, referrers),
            Err(error) => check(Err(error), image, referrers),
        };
        match found.map_err(Failure::from) {
            Err(failure) if args.images.keep_going => Ok(Err(failure)),
            other => other.map(Ok),
        }
    })?;
    context.progress().end();
    let (mut answers, mut failures) = (Vec::new(), Vec::new());
    for (image, result) in lock.images().iter().zip(results) {
        match result {
            Ok(changes) => answers.push((image, changes)),
            Err(failure) => failures.push(failure),
        }
    }
    print(&answers, &failures, context)?;
    partial(&failures, context)?;
    match answers.iter().filter(|(_, changes)| !changes.is_empty()).count() {
        0 => Ok(()),
        moved => {
            let message = format!("not as it was locked: {}", count(moved, "image"));
            let failure = Failure::new(Exit::NotAllowed, "lock-moved", message);
            Err(failure.hint(
                "`export --lock` still carries what was locked, as long as nothing is lost; else \
                 lock anew",
            ))
        }
    }
}

/// An image of the lock, and what has changed.
type Answer<'a> = (&'a PinnedImage, Vec<Change>);

fn print(answers: &[Answer<'_>], failures: &[Failure], context: &Context) -> Result<(), Failure> {
    if context.json() {
        let image = |(image, changes): &Answer<'_>| json!({"name": image.name, "digest": image.digest, "changes": changes});
        return context.print_json(&json!({
            "images": answers.iter().map(image).collect::<Vec<_>>(),
            "missing": failures.iter().map(|failure| &failure.message).collect::<Vec<_>>(),
        }));
    }
    context.print(&answers.iter().map(lines).collect::<String>())
}

fn lines((image, changes): &Answer<'_>) -> String {
    match changes.is_empty() {
        true => format!("same      {}\n", image.name),
        false => changes.iter().map(|change| line(image, change)).collect(),
    }
}

fn line(image: &PinnedImage, change: &Change) -> String {
    let name = &image.name;
    let attached = |it: &Attached| match &it.tag {
        Some(tag) => format!("{} by the tag {}", it.digest, tag.as_str()),
        None => format!("{} refers to {}", it.digest, it.subject),
    };
    match change {
        Change::Gone => format!("gone      {name}\n"),
        Change::Moved { now } => {
            format!("moved     {name}  {} -> {now}\n", image.index.unwrap_or(image.digest))
        }
        Change::Lost { digest } => format!("lost      {name}  {digest} is not there any more\n"),
        Change::Appeared(it) => format!("appeared  {name}  {}\n", attached(it)),
        Change::Vanished(it) => format!("vanished  {name}  {}\n", attached(it)),
    }
}
