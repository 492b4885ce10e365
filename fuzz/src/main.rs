//! Fuzz targets: every parser of bytes that gapferry does not trust. `README.md` says how to run.
//!
//! A target takes any bytes and returns. It fails when gapferry panics, takes more memory or time
//! than `fuzz/run` allows, or breaks a promise that the target states.

#![no_main]

mod archives;
mod heads;
mod keys;
mod lists;
mod packs;
mod site;
mod streams;

use std::sync::OnceLock;

use libfuzzer_sys::fuzz_target;

/// What one run does with its bytes.
type Target = fn(&[u8]);

/// Every target by its name. `fuzz/run` reads this list: one target a line.
const TARGETS: &[(&str, Target)] = &[
    ("seal", heads::seal),
    ("sums", heads::sums),
    ("lading", heads::lading),
    ("catalog", heads::catalog),
    ("chunks", heads::chunks),
    ("index", heads::index),
    ("parity", heads::parity),
    ("manifest", heads::manifest),
    ("bundle-archive", archives::bundle),
    ("oci-archive", archives::oci),
    ("docker-archive", archives::docker),
    ("private-key", keys::private),
    ("public-key", keys::public),
    ("signature", keys::signature),
    ("inflate", streams::inflate),
    ("proof", streams::proof),
    ("zstd", streams::zstd),
    ("encoders", streams::encoders),
    ("cutter", streams::cutter),
    ("frame", streams::frame),
    ("recipe", packs::recipe),
    ("document", site::document),
    ("memory", site::memory),
    ("policy", site::policy),
    ("cosign", site::cosign),
    ("journal", site::journal),
    ("import-journal", site::import_journal),
    ("log", site::log),
    ("checkpoint", site::checkpoint),
    ("log-proof", site::log_proof),
    ("receipt", site::receipt),
    ("list", lists::list),
    ("yaml", lists::yaml),
    ("chart", lists::chart),
    ("wish", lists::wish),
    ("lock", lists::lock),
    ("reference", lists::reference),
    ("credentials", lists::credentials),
];

static CHOSEN: OnceLock<Target> = OnceLock::new();

fn choose() -> Target {
    let name = std::env::var("TARGET").expect("TARGET names a target");
    let found = TARGETS.iter().find(|(known, _)| *known == name);
    found.unwrap_or_else(|| panic!("there is no target {name}")).1
}

fuzz_target!(|data: &[u8]| CHOSEN.get_or_init(choose)(data));
