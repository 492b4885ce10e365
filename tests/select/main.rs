//! Choosing what travels, with the real binary and real registries.

mod lists;
mod patterns;
mod places;
mod referrers;
mod small;
#[path = "../support/mod.rs"]
mod support;

use serde_json::Value;

use support::command::Work;

/// What every import of these tests trusts.
const TRUST: &str = "--trust release.key.pub";

/// The names, without their host, and why each is aboard, of a lock.
fn locked(work: &Work, lock: &str, host: &str) -> Vec<(String, Vec<String>)> {
    let lock: Value = serde_json::from_slice(&work.read(lock)).unwrap();
    let text = |value: &Value| value.as_str().unwrap().replace(host, "HOST");
    let image = |image: &Value| {
        let why = image["why"].as_array().unwrap().iter().map(text).collect();
        (text(&image["name"]).replace("HOST/", ""), why)
    };
    lock["images"].as_array().unwrap().iter().map(image).collect()
}

/// The names alone.
fn names(work: &Work, lock: &str, host: &str) -> Vec<String> {
    locked(work, lock, host).into_iter().map(|(name, _)| name).collect()
}
