//! Where pulls go with configuration that is there.

use serde_json::Value;

use super::{TRUST, bundled};

/// The verdicts for an image, by form; for its tag, then for its digest.
fn verdicts(said: &Value, name: &str) -> Vec<String> {
    let pulls = said["pulls"].as_array().unwrap().iter();
    let own = pulls.filter(|it| it["name"].as_str().unwrap().starts_with(name));
    own.map(|it| {
        format!("{} {}", it["form"].as_str().unwrap(), it["verdict"].as_str().unwrap_or("-"))
    })
    .collect()
}

#[test]
fn what_is_written_sends_pulls_to_where_the_images_are() {
    let work = bundled();
    let names = format!("bundle {TRUST} --to docker://registry.site:5000/m --keep-host");
    work.ok(&format!("mirrors {names} -o out"));
    let said = work.json(&format!("mirrors {names} --check-config out"));
    let both = |form: &str, verdict: &str| [(); 2].map(|()| format!("{form} {verdict}"));
    let expected = [both("containerd", "ok"), both("containers", "ok"), both("k3s", "fallback")];
    for name in ["docker.io/library/busybox", "quay.example/x/y", "registry.example:5000/deep/tool"]
    {
        assert_eq!(verdicts(&said, name), expected.concat(), "{name}");
    }
    let shown = work.ok(&format!("mirrors {names} --check-config out/containers"));
    assert!(
        shown.contains(
            "containers quay.example/x/y:1  OK\n  1 registry.site:5000/m/quay.example/x/y:1\n"
        ),
        "{shown}"
    );
    // With the way back, the internet is asked as well, after the site.
    work.ok(&format!("mirrors {names} --fallback -o back"));
    let back = work.ok(&format!("mirrors {names} --check-config back/containerd/certs.d"));
    assert!(
        back.contains(
            "containerd docker.io/library/busybox:1.35  OK, then elsewhere\n  1 \
             registry.site:5000/m/docker.io/library/busybox:1.35\n  2 docker.io/library/busybox:1.35\n"
        ),
        "{back}"
    );
}

#[test]
fn pulls_that_go_elsewhere_are_told() {
    let work = bundled();
    let to = "--to docker://registry.site:5000/m";
    work.ok(&format!("mirrors bundle {TRUST} {to} --keep-host -o out"));
    // Other rules: the images are elsewhere.
    let line = format!("mirrors bundle {TRUST} {to} --keep-host --map quay.example=q");
    let output = work.run(&format!("{line} --check-config out/containers --output json"));
    assert_eq!(output.status.code(), Some(4), "{output:?}");
    let error: Value = serde_json::from_slice(&output.stderr).unwrap();
    assert_eq!(error["code"], "other-pulls");
    let said: Value = serde_json::from_slice(&output.stdout).unwrap();
    assert_eq!(verdicts(&said, "quay.example/x/y"), ["containers elsewhere"; 2]);
    assert_eq!(verdicts(&said, "docker.io/library/busybox"), ["containers ok"; 2]);
    // Other tags, and what the forms make of that.
    let tags = format!("bundle {TRUST} {to} --keep-host --tag-suffix -s1");
    work.ok(&format!("mirrors {tags} -o tags"));
    let output = work.run(&format!("mirrors {tags} --check-config tags --output json"));
    let said: Value = serde_json::from_slice(&output.stdout).unwrap();
    let found = verdicts(&said, "docker.io/library/busybox");
    let expected = [
        "containerd nobody",
        "containerd ok",
        "containers elsewhere",
        "containers fallback",
        "k3s elsewhere",
        "k3s elsewhere",
    ];
    assert_eq!(found, expected);
    // The internet first.
    std::fs::create_dir_all(work.path("certs.d/docker.io")).unwrap();
    work.write(
        "certs.d/docker.io/hosts.toml",
        "server = \"https://registry.site:5000/v2/m/docker.io\"\noverride_path = true\n\
         [host.\"https://hub.example\"]\n",
    );
    let line = format!("mirrors bundle {TRUST} {to} --keep-host --check-config certs.d");
    let shown = String::from_utf8(work.run(&line).stdout).unwrap();
    assert!(
        shown.contains(
            "containerd docker.io/library/busybox:1.35  ELSEWHERE FIRST\n  1 \
             hub.example/library/busybox:1.35\n"
        ),
        "{shown}"
    );
    assert!(
        shown.contains("quay.example/x/y:1  GOES ELSEWHERE\n  1 quay.example/x/y:1\n"),
        "{shown}"
    );
}

#[test]
fn one_reference_is_shown_without_a_verdict() {
    let work = bundled();
    work.write(
        "registries.yaml",
        "mirrors:\n  docker.io:\n    endpoint: [\"http://site:5000\"]\n    rewrite:\n      \"(.*)\": \"m/$1\"\n",
    );
    let shown = work.ok("mirrors --check-config registries.yaml --reference busybox:1.35");
    let expected = "k3s        docker.io/library/busybox:1.35\n  1 site:5000/m/library/busybox:1.35  \
                    (without TLS)\n  2 docker.io/library/busybox:1.35\n";
    assert_eq!(shown, expected);
    // A claim is not shown as a fact.
    let line = "mirrors bundle --to docker://site:5000 --keep-host --check-config registries.yaml";
    let said = String::from_utf8(work.run(line).stdout).unwrap();
    assert!(said.starts_with("NOT VERIFIED"), "{said}");
    work.write("registries.yaml", "mirrors: [");
    let line = "mirrors --check-config registries.yaml --reference busybox";
    assert!(work.refused(line, 2, "bad-config").starts_with("registries.yaml: "));
    work.refused("mirrors --check-config absent --reference busybox", 1, "file");
    std::fs::create_dir(work.path("empty")).unwrap();
    work.refused("mirrors --check-config empty --reference busybox", 2, "no-config");
    for line in [
        "mirrors --check-config registries.yaml",
        "mirrors --reference busybox",
        "mirrors bundle --to docker://site:5000",
        "mirrors --check-config registries.yaml --to docker://site:5000 --reference busybox",
        "mirrors bundle --to docker://site:5000 -o out --check-config registries.yaml",
    ] {
        work.refused(line, 2, "usage");
    }
}
