//! The site's side: what images are called there, that podman, skopeo and containerd find them by
//! their old names, what has moved since a lock was written, and that bundles are complete.
//!
//! The tools must be installed; a test without its tool fails.

#[path = "../vectors/build.rs"]
#[allow(dead_code)] // Each test binary uses a part of it.
mod build;
mod complete;
mod config;
mod mirrors;
mod moved;
mod names;
#[path = "../support/mod.rs"]
mod support;

use support::command::Work;
use support::images::IMAGES;

/// What every import of these tests trusts.
const TRUST: &str = "--trust release.key.pub";

/// A bundle of small images under names of four registries, none of which can be reached.
fn bundled() -> Work {
    let work = Work::new();
    let image = |name: &str, from: &str| format!("{name}=oci:{IMAGES}:{from} ");
    let images = [
        image("docker.io/library/busybox:1.35", "library/busybox:1.35"),
        image("quay.example/x/y:1", "library/multi:1.0"),
        image("quay.example/team/app:1", "signed/app:1.0"),
        image("ghcr.example/team/app:1", "tools/plain:1.0"),
        image("registry.example:5000/deep/tool:2", "library/empty:1.0"),
    ];
    work.ok(&format!("export {} -o bundle --key release.key", images.concat()));
    work
}
