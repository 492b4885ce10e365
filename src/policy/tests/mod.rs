//! Policies held against images in memory: each rule met and not met.

mod judging;
mod reading;
mod signing;
mod world;

use super::*;
use crate::oci::{PinnedImage, Reference};
use world::World;

/// 2024-01-01T00:00:00Z
const NOW: u64 = 1_704_067_200;

/// A policy of these lines, which names no keys.
fn policy(lines: &str) -> Policy {
    let text = format!("gapferry = \"policy v1\"\n{lines}");
    Policy::parse::<PolicyError>(text.as_bytes(), |name| panic!("no key {name}")).unwrap()
}

fn judged<'a>(
    policy: &Policy,
    world: &World,
    images: impl IntoIterator<Item = &'a PinnedImage>,
) -> Vec<Breach> {
    let findings = policy.check(images, world, Circumstances { now: NOW, by_tag: false }).unwrap();
    findings.into_iter().map(|finding| finding.breach).collect()
}
