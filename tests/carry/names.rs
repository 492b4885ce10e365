//! What images are called at the target, and what else may be a target.

use std::collections::BTreeSet;
use std::path::Path;

use serde_json::Value;

use super::support::DockerRegistry;
use super::support::command::Work;
use super::support::images::{Entry, Eyes, IMAGES, digest, entries};
use super::{TRUST, exported, list, seeded};

/// Exports three small images under names of three registries.
fn three_registries(work: &Work, bundle: &str) {
    let at = |name: &str| format!("oci:{IMAGES}:{name}");
    let (chart, empty, plain) =
        (at("charts/hello:0.1.0"), at("library/empty:1.0"), at("tools/plain:1.0"));
    work.ok(&format!(
        "export quay.io/team/app:1={chart} ghcr.io/team/app:1={empty} \
         registry.example:5000/deep/er/tool:2={plain} -o {bundle} --key release.key"
    ));
}

fn set(names: &[&str]) -> BTreeSet<String> {
    names.iter().map(|name| (*name).to_owned()).collect()
}

#[test]
fn prefixes_and_rules_name_images_at_the_target() {
    let work = Work::new();
    three_registries(&work, "bundle");
    let to = DockerRegistry::start();
    let rules = "--map quay.io=q --map quay.io/team/app=exact --map registry.example:5000/deep=d";
    let line = format!("import bundle {TRUST} --to docker://{}/a/b --prefix c {rules}", to.host());
    let dry = work.json(&format!("{line} --dry-run"));
    assert_eq!(dry["images"].as_array().unwrap().len(), 3);
    let eyes = Eyes::on(&to.host());
    assert_eq!(eyes.catalog(), set(&[]), "a dry run loads nothing");
    work.ok(&line);
    assert_eq!(eyes.catalog(), set(&["a/b/c/exact", "a/b/c/team/app", "a/b/c/d/er/tool"]));
    assert_eq!(eyes.tags("a/b/c/d/er/tool"), set(&["2"]));
}

#[test]
fn a_collision_is_refused_before_anything_is_sent() {
    let work = Work::new();
    three_registries(&work, "bundle");
    let to = DockerRegistry::start();
    let line = format!("import bundle {TRUST} --to docker://{}", to.host());
    let eyes = Eyes::on(&to.host());
    let message = work.refused(&line, 2, "collision");
    for name in ["quay.io/team/app:1", "ghcr.io/team/app:1", &format!("{}/team/app:1", to.host())] {
        assert!(message.contains(name), "{message}");
    }
    assert_eq!((eyes.catalog(), to.manifests()), (set(&[]), BTreeSet::new()));
    work.refused(&format!("{line} --map quay.io=UPPER"), 2, "invalid-mapping");
    work.refused(&format!("{line} --map quay.io"), 2, "usage");
    work.refused(&format!("{line} --prefix ../up"), 2, "invalid-mapping");
    assert_eq!((eyes.catalog(), to.manifests()), (set(&[]), BTreeSet::new()));
    work.ok(&format!("{line} --map quay.io=q"));
    assert_eq!(eyes.catalog(), set(&["q/team/app", "team/app", "deep/er/tool"]));
}

#[test]
fn a_dry_run_proves_all_and_loads_nothing() {
    let work = Work::new();
    exported(&work, &["library/busybox"], "bundle");
    let to = DockerRegistry::start();
    let line = format!("import bundle {TRUST} --to docker://{} --dry-run", to.host());
    let said = work.ok(&line);
    assert!(said.contains(&format!(" -> {}/library/busybox:1.35\n", to.host())), "{said}");
    assert!(said.ends_with("nothing was loaded\n"), "{said}");
    assert_eq!(Eyes::on(&to.host()).catalog(), set(&[]));
    // Nobody need be there.
    work.ok(&format!("import bundle {TRUST} --to docker://127.0.0.1:1 --dry-run"));
    work.ok(&format!("import bundle {TRUST} --to oci:layout --dry-run"));
    assert!(!work.path("layout").exists());
    let largest = largest_blob(&work.path("bundle"));
    let mut bytes = work.read(&largest);
    bytes[500_000] ^= 1;
    work.write(&largest, bytes);
    assert!(work.refused(&line, 3, "damaged").contains(&largest[7..]));

    let (from, entries) = seeded(&["library/busybox"]);
    work.write("images.txt", list(&from.host(), &entries));
    let plan = work.json("export -f images.txt -o unwritten --key release.key --dry-run");
    assert_eq!(plan["images"], 1);
    assert!(!work.path("unwritten").exists());
}

fn largest_blob(bundle: &Path) -> String {
    let blobs = std::fs::read_dir(bundle.join("blobs/sha256")).unwrap().map(Result::unwrap);
    let largest = blobs.max_by_key(|file| file.metadata().unwrap().len()).unwrap();
    format!("bundle/blobs/sha256/{}", largest.file_name().to_str().unwrap())
}

#[test]
fn a_layout_is_whole_and_skopeo_reads_it() {
    let work = Work::new();
    let (from, entries) = seeded(&[""]);
    work.write("images.txt", list(&from.host(), &entries));
    work.ok("export -f images.txt -o bundle.tar --key release.key");
    let rule = format!("--map {}=site.example", from.host());
    let line = format!("import bundle.tar {TRUST} --to oci:layout {rule}");
    work.ok(&line);
    let found = check_layout(&work.path("layout"));
    let name =
        |entry: &Entry| Some(format!("site.example/{}", entry.tag.as_ref().map(|_| entry.name())?));
    let expected: BTreeSet<String> = entries.iter().filter_map(name).collect();
    assert_eq!(found, expected);

    for name in ["library/multi:1.0", "tools/zstd:1.0", "charts/hello:0.1.0", "library/empty:1.0"] {
        let copy = format!(
            "skopeo --insecure-policy copy -q --all oci:layout:site.example/{name} dir:copy"
        );
        let output = work.tool(&copy).output().unwrap();
        assert!(output.status.success(), "{name}: {}", String::from_utf8_lossy(&output.stderr));
        let entry = entries.iter().find(|entry| entry.name() == name).unwrap();
        let copied = digest(&work.read("copy/manifest.json"));
        assert_eq!(copied, entry.digest, "{name}");
    }
    let before = work.read("layout/index.json");
    assert!(work.ok(&line).contains("already imported"));
    assert!(work.read("layout/index.json") == before);
}

/// Everything that `index.json` leads to is there, of its size and digest, and nothing else is;
/// gives the names.
fn check_layout(layout: &Path) -> BTreeSet<String> {
    let read = |path: &str| std::fs::read(layout.join(path)).unwrap();
    assert_eq!(read("oci-layout"), br#"{"imageLayoutVersion":"1.0.0"}"#);
    let index: Value = serde_json::from_slice(&read("index.json")).unwrap();
    let mut names = BTreeSet::new();
    let mut todo: Vec<Value> = index["manifests"].as_array().unwrap().clone();
    for entry in &todo {
        let name = entry["annotations"]["org.opencontainers.image.ref.name"].as_str();
        names.extend(name.map(str::to_owned));
    }
    let mut seen = BTreeSet::new();
    while let Some(descriptor) = todo.pop() {
        let named = descriptor["digest"].as_str().unwrap();
        let bytes = read(&format!("blobs/{}", named.replace(':', "/")));
        assert_eq!(bytes.len() as u64, descriptor["size"], "{named}");
        assert_eq!(digest(&bytes), named);
        let kind = descriptor["mediaType"].as_str().unwrap();
        if seen.insert(named.to_owned()) && ["manifest", "index"].iter().any(|it| kind.contains(it))
        {
            let document: Value = serde_json::from_slice(&bytes).unwrap();
            let lists = ["manifests", "layers"].map(|field| document[field].as_array().cloned());
            todo.extend(lists.into_iter().flatten().flatten());
            todo.extend(document.get("config").cloned());
        }
    }
    let held = std::fs::read_dir(layout.join("blobs/sha256")).unwrap().count();
    assert_eq!(held, seen.len());
    names
}

#[test]
fn every_test_image_is_one_of_a_kind() {
    // What the round trip claims to cover is there to be carried.
    let kinds: BTreeSet<String> =
        entries(&[""]).into_iter().map(|entry| entry.media_type).collect();
    assert_eq!(kinds.len(), 4, "OCI's and docker's manifests and indexes: {kinds:?}");
}
