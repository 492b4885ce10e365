//! Which of what refers to an image travels.

use std::collections::BTreeMap;

use serde_json::Value;

use super::TRUST;
use super::support::DockerRegistry;
use super::support::command::Work;
use super::support::images::{Eyes, entries};

/// What a lock of `signed/app:1.0` takes, by kind; and how much of it stays behind.
fn kinds(work: &Work, lock: &str) -> (BTreeMap<String, usize>, usize) {
    let lock: Value = serde_json::from_slice(&work.read(lock)).unwrap();
    let image = &lock["images"][0];
    let mut found = BTreeMap::new();
    for document in image["documents"].as_array().unwrap() {
        let kind = match (document["role"].as_str().unwrap(), document["artifactType"].as_str()) {
            ("root" | "child", _) => continue,
            ("tagged", None) => document["tag"].as_str().unwrap()[72..].to_owned(),
            (_, kind) => kind.unwrap_or_default().to_owned(),
        };
        *found.entry(kind).or_default() += 1;
    }
    let omitted = image["omitted"].as_array().into_iter().flatten();
    (found, omitted.filter(|it| it["reason"] == "referrer").count())
}

#[test]
fn kinds_of_referrers_are_chosen_and_what_stays_is_in_the_lock() {
    let (work, from) = (Work::new(), DockerRegistry::start());
    Eyes::on(&from.host()).push(&entries(&["signed/"]));
    let lock = |options: &str| {
        work.ok(&format!("lock {}/signed/app:1.0 {options} -o images.lock", from.host()));
        kinds(&work, "images.lock")
    };
    let (all, left) = lock("");
    assert!(left == 0 && all.contains_key("sig") && all.contains_key("att"), "{all:?}");
    let types: Vec<String> = all.keys().filter(|it| it.contains('/')).cloned().collect();
    assert!(!types.is_empty(), "{all:?}");

    let (found, left) = lock("--referrers cosign/sig");
    assert_eq!(found.keys().collect::<Vec<_>>(), ["sig"]);
    assert!(left > 0);
    let (found, left) = lock(&format!("--no-referrers={} --no-referrers=cosign/a*", types[0]));
    assert!(!found.contains_key(&types[0]) && !found.contains_key("att") && left >= 2, "{found:?}");
    assert!(found.contains_key("sig"));
    assert_eq!(lock("--no-referrers"), (BTreeMap::new(), 0));
    // A value stands behind `=` only: the image is not one.
    work.ok(&format!("lock --no-referrers {}/signed/app:1.0 -o images.lock", from.host()));

    lock("--referrers cosign/sig");
    work.ok("export --lock images.lock -o bundle --key release.key");
    let shown = work.ok(&format!("inspect bundle {TRUST} -v"));
    assert!(shown.contains("left behind"), "{shown}");
    let to = DockerRegistry::start();
    work.ok(&format!("import bundle {TRUST} --to docker://{}", to.host()));
    let tags = Eyes::on(&to.host()).tags("signed/app");
    assert!(
        tags.iter().any(|tag| tag.ends_with(".sig"))
            && tags.iter().all(|tag| !tag.ends_with(".att"))
    );
    Eyes::on(&to.host()).assert_whole();
}

#[test]
fn a_type_that_is_none_is_refused() {
    let work = Work::new();
    work.refused("lock busybox --referrers= -o x.lock", 2, "usage");
    work.refused("lock busybox --no-referrers=é -o x.lock", 2, "usage");
}
