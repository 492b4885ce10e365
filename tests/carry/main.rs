//! Images carried from one real registry to another with the real binary.

mod access;
mod damage;
mod faults;
mod names;
mod partly;
mod salvage;
mod selection;
#[path = "../support/mod.rs"]
mod support;

use support::DockerRegistry;
use support::command::Work;
use support::images::{Entry, Eyes, entries};
use support::proxy::Proxy;

/// What every import of these tests trusts.
const TRUST: &str = "--trust release.key.pub";

/// A registry that holds the images whose repository begins with one of `prefixes`.
fn seeded(prefixes: &[&str]) -> (DockerRegistry, Vec<Entry>) {
    let (registry, entries) = (DockerRegistry::start(), entries(prefixes));
    Eyes::on(&registry.host()).push(&entries);
    (registry, entries)
}

/// A list file's text: every image at `host` that travels by its own name.
fn list(host: &str, entries: &[Entry]) -> String {
    let named = entries.iter().filter(|entry| entry.tag.is_some() && !entry.is_cosign());
    named.map(|entry| format!("{host}/{}\n", entry.name())).collect()
}

/// Exports what `prefixes` select from a registry of its own to `bundle`.
fn exported(work: &Work, prefixes: &[&str], bundle: &str) -> Vec<Entry> {
    let (from, entries) = seeded(prefixes);
    work.write("images.txt", list(&from.host(), &entries));
    work.ok(&format!("export -f images.txt -o {bundle} --key release.key"));
    entries
}

#[test]
fn everything_arrives_bit_for_bit_and_once() {
    let work = Work::new();
    let entries = exported(&work, &[""], "bundle");
    let to = DockerRegistry::start();
    let line = format!("import bundle {TRUST} --to docker://{}", to.host());
    let said = work.ok(&line);
    assert!(said.contains("15 images loaded, 0 were there"), "{said}");

    let eyes = Eyes::on(&to.host());
    eyes.assert_holds("", &entries);
    let repositories = entries.iter().map(|entry| entry.repository.clone()).collect();
    assert_eq!(eyes.catalog(), repositories);
    for repository in &repositories {
        let of_it = entries.iter().filter(|entry| entry.repository == *repository);
        let mut found = eyes.tags(repository);
        // docker-registry keeps no list of referrers: these tags are the list.
        found.retain(|tag| !(tag.starts_with("sha256-") && tag.len() == 71));
        assert_eq!(found, of_it.filter_map(|entry| entry.tag.clone()).collect(), "{repository}");
    }

    let watched = Proxy::start(to.port(), vec![]);
    let before = to.manifests();
    let again = work.ok(&format!("import bundle {TRUST} --to docker://{}", watched.host()));
    assert!(again.ends_with("already imported: all images are there\n"), "{again}");
    let heads = watched.heads();
    assert!(!heads.is_empty());
    let reads = |head: &&String| ["GET ", "HEAD "].iter().any(|it| head.starts_with(it));
    assert!(heads.iter().all(|head| reads(&head)), "{heads:?}");
    assert_eq!(to.manifests(), before);
}

#[test]
fn an_archive_and_volumes_carry_the_same() {
    let work = Work::new();
    let entries = exported(&work, &["library/", "signed/", "charts/"], "bundle");
    work.ok("repack bundle -o bundle.tar");
    work.ok("repack bundle -o volumes --volume-size 1200kB");
    for (place, prefix) in [("bundle.tar", "archive/"), ("volumes", "volumes/")] {
        let to = DockerRegistry::start();
        work.ok(&format!("import {place} {TRUST} --to docker://{}/{prefix}", to.host()));
        Eyes::on(&to.host()).assert_holds(prefix, &entries);
    }
}
