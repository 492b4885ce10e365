//! Rules for names, and names that collide.

use std::collections::BTreeSet;

use super::support::DockerRegistry;
use super::support::images::Eyes;
use super::{TRUST, bundled};

fn set(names: &[&str]) -> BTreeSet<String> {
    names.iter().map(|name| (*name).to_owned()).collect()
}

/// Case 96: two images of one path from two registries.
#[test]
fn two_images_of_one_path_are_kept_apart_or_refused() {
    let work = bundled();
    let to = DockerRegistry::start();
    let line = format!("import bundle {TRUST} --to docker://{}", to.host());
    for (rules, by) in [
        ("", ""),
        ("--map ghcr.example=same --map quay.example=same", " (by quay.example=same)"),
        ("--map-regex .*/team/(.*)=$1", " (by .*/team/(.*)=$1)"),
    ] {
        for dry in ["", "--dry-run"] {
            let message = work.refused(&format!("{line} {rules} {dry}"), 2, "collision");
            assert!(message.contains("ghcr.example/team/app:1"), "{message}");
            assert!(message.contains(&format!("quay.example/team/app:1{by} would")), "{message}");
        }
        assert_eq!(to.manifests(), BTreeSet::new());
    }
    work.ok(&format!("{line}/m --keep-host"));
    let expected = [
        "m/docker.io/library/busybox",
        "m/ghcr.example/team/app",
        "m/quay.example/team/app",
        "m/quay.example/x/y",
        "m/registry.example-5000/deep/tool",
    ];
    assert_eq!(Eyes::on(&to.host()).catalog(), set(&expected));
}

#[test]
fn the_same_image_may_have_two_names() {
    let work = bundled();
    let image = format!("oci:{}:tools/plain:1.0", super::IMAGES);
    let names = format!("quay.example/a/b:1={image} ghcr.example/a/b:1={image}");
    work.ok(&format!("export {names} -o two --key release.key --stream two"));
    let to = DockerRegistry::start();
    let said = work.ok(&format!("import two {TRUST} --to docker://{}", to.host()));
    assert!(said.contains("2 images loaded"), "{said}");
    assert_eq!(Eyes::on(&to.host()).tags("a/b"), set(&["1"]));
}

#[test]
fn a_file_of_rules_and_options_go_together() {
    let work = bundled();
    work.write(
        "site.toml",
        "gapferry = \"map v1\"\nkeep-host = true\ntag-suffix = \"-site1\"\n\n[[rule]]\n\
         from = \"docker.io\"\nto = \"lost\"\n\n[[rule]]\nregex = '(quay|ghcr)\\.example/team/(.*)'\n\
         to = 'teams/$1/${2}'\ntag-prefix = \"v\"\n",
    );
    let to = DockerRegistry::start();
    let line = format!("import bundle {TRUST} --to docker://{} --map-file site.toml", to.host());
    // The command line comes first.
    let line = format!("{line} --map docker.io=hub");
    let dry = work.json(&format!("{line} --dry-run"));
    let of = |name: &str| {
        let images = dry["images"].as_array().unwrap();
        let found = images.iter().find(|it| it["name"] == name).unwrap();
        let text = |field: &str| found[field].as_str().unwrap_or_default().to_owned();
        (text("target").replace(&to.host(), "site"), text("rule"))
    };
    let busybox = of("docker.io/library/busybox:1.35");
    assert_eq!(busybox, ("site/hub/library/busybox:1.35-site1".into(), "docker.io=hub".into()));
    let (app, rule) = of("ghcr.example/team/app:1");
    assert_eq!(app, "site/teams/ghcr/app:v1");
    assert_eq!(rule, "(quay|ghcr)\\.example/team/(.*)=teams/$1/${2} with tags vTAG");
    let tool = of("registry.example:5000/deep/tool:2");
    assert_eq!(tool, ("site/registry.example-5000/deep/tool:2-site1".into(), "--keep-host".into()));
    let shown = work.ok(&format!("{line} --dry-run"));
    assert!(shown.contains("hub/library/busybox:1.35-site1  (docker.io=hub)\n"), "{shown}");
    assert_eq!(to.manifests(), BTreeSet::new());
    work.ok(&line);
    let eyes = Eyes::on(&to.host());
    assert_eq!(eyes.tags("hub/library/busybox"), set(&["1.35-site1"]));
    // What signatures are found by is no tag of the image.
    let tags = eyes.tags("teams/quay/app");
    assert!(tags.contains("v1") && !tags.contains("1"), "{tags:?}");
    assert!(tags.iter().any(|tag| tag.starts_with("sha256-") && tag.ends_with(".sig")), "{tags:?}");
    assert!(work.ok(&line).contains("already imported"));
}

#[test]
fn names_that_come_out_wrong_are_refused_with_the_rule() {
    let work = bundled();
    let to = DockerRegistry::start();
    let line = format!("import bundle {TRUST} --to docker://{}", to.host());
    let long = "a/".repeat(120) + "a";
    for (rules, named) in [
        ("--map quay.example=UPPER", "(by quay.example=UPPER)".to_owned()),
        (&format!("--map quay.example={long}"), format!("(by quay.example={long})")),
        ("--keep-host --tag-suffix +1", "(by --keep-host)".to_owned()),
    ] {
        let message = work.refused(&format!("{line} {rules}"), 2, "invalid-mapping");
        assert!(message.contains(&named), "{message}");
    }
    for (rules, code) in
        [("--map-regex (=x", "usage"), ("--map-regex a=$1", "usage"), ("--map-regex a", "usage")]
    {
        work.refused(&format!("{line} {rules}"), 2, code);
    }
    work.write("wrong.toml", "gapferry = \"map v1\"\n[[rule]]\nform = \"a\"\nto = \"b\"\n");
    let message = work.refused(&format!("{line} --map-file wrong.toml"), 2, "invalid-mapping");
    assert!(message.starts_with("wrong.toml: line 3: "), "{message}");
    work.refused(&format!("{line} --map-file absent.toml"), 1, "file");
    for option in ["--prefix a", "--keep-host"] {
        work.refused(&format!("import bundle {TRUST} --to oci:layout {option}"), 2, "usage");
    }
    assert_eq!(to.manifests(), BTreeSet::new());
    assert!(!work.path("layout").exists());
}
