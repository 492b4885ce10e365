//! The images that a chart names, and why; from a directory, an archive and its parts.

use std::path::Path;

use super::*;
use crate::registry::{Client, Config};
use crate::select::chart::images;
use crate::source::{Location, Opener};

const HELLO: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/testdata/select/charts/hello");

fn opener() -> Opener {
    Opener::new(Client::new(Config::default()).unwrap())
}

fn found(path: &Path) -> Result<Vec<(String, String)>, SelectError> {
    let location = Location::Chart { path: path.to_owned() };
    let found = images(&opener(), &location, "list:1")?;
    Ok(found.into_iter().map(|(name, why)| (name.to_string(), why)).collect())
}

/// A chart with these files.
fn chart(files: &[(&str, &str)]) -> tempfile::TempDir {
    let dir = tempfile::tempdir().unwrap();
    for (name, content) in files {
        let path = dir.path().join(name);
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        std::fs::write(path, content).unwrap();
    }
    dir
}

const PLAIN: (&str, &str) = ("Chart.yaml", "name: x\nversion: 1.0.0\nappVersion: 2.0\n");

fn of_values(values: &str) -> Result<Vec<String>, String> {
    let dir = chart(&[PLAIN, ("values.yaml", values)]);
    let found = found(dir.path()).map_err(|error| error.to_string())?;
    Ok(found.into_iter().map(|(name, _)| name).collect())
}

#[test]
fn every_place_that_charts_commonly_have_is_looked_at() {
    let digest = "sha256:4d5045ae365d7fbe2f69bf3bc56cb5f84786f9b0285fd70dd169797467f1956a";
    let init = format!("docker.io/team/init@{digest}");
    let at = "list:1: hello-0.2.0+build.1";
    let expected = [
        ("quay.io/team/annotated:1.0", "Chart.yaml: annotations[\"artifacthub.io/images\"][0]"),
        ("quay.io/team/worker:3.0", "images.txt:2"),
        ("docker.io/library/redis:7.4-alpine", "charts/cache: values.yaml:2: image"),
        ("docker.io/library/busybox:1.36", "values.yaml:5: image"),
        ("quay.io/team/sidecar:v2.1", "values.yaml:10: sidecar.image"),
        ("quay.io/team/exporter:0.9", "values.yaml:15: sidecar.extra[0].image"),
        (init.as_str(), "values.yaml:17: initImage"),
        ("quay.io/team/tools:7", "values.yaml:20: tools.image"),
    ];
    let expected = expected.map(|(name, why)| (name.to_owned(), format!("{at}: {why}")));
    let found = found(Path::new(HELLO)).unwrap();
    assert_eq!(found, expected);
}

#[test]
fn values_say_what_they_say() {
    let of = |values: &str| of_values(values).unwrap();
    assert_eq!(of("image: a/b\n"), ["docker.io/a/b:2.0"]);
    assert_eq!(of("image: a/b\ntag: '7'\n"), ["docker.io/a/b:7"]);
    assert_eq!(of("image: a/b\nimageTag: v7\n"), ["docker.io/a/b:v7"]);
    assert_eq!(of("podImage: q.io:5000/b\n"), ["q.io:5000/b:2.0"]);
    assert_eq!(of("x: {repository: a/b, tag: null}\n"), ["docker.io/a/b:2.0"]);
}

#[test]
fn a_registry_for_all_takes_the_place_of_each() {
    let values = "global: {imageRegistry: site.example}\nimage: {registry: quay.io, repository: a/b, tag: 1}\n";
    assert_eq!(of_values(values).unwrap(), ["site.example/a/b:1"]);
    assert_eq!(of_values("a: {image: {name: q.io/x, tag: 1.10}}\n").unwrap(), ["q.io/x:1.10"]);
    let error = of_values("a: {image: {repository: q.io/x, sha: aa}}\n").unwrap_err();
    assert!(error.contains("q.io/x@sha256:aa"), "{error}");
}

#[test]
fn what_is_no_image_is_left_or_named() {
    for values in [
        "",
        "image: ''\n",
        "image: {pullPolicy: Always}\n",
        "git: {repository: 'https://x/y', tag: 1}\n",
        "image: ~\n",
    ] {
        assert_eq!(of_values(values).unwrap(), [""; 0], "{values}");
    }
    let error = of_values("a: 1\nb:\n  image: '{{ .Values.x }}'\n").unwrap_err();
    assert!(error.contains("values.yaml:3: b.image: ") && error.contains(".Values.x"), "{error}");
    let dir = chart(&[PLAIN, ("images.txt", "oci:/etc:1\n")]);
    assert!(matches!(
        found(dir.path()),
        Err(SelectError::Wish { error: WishError::Misplaced(_), .. })
    ));
    let dir = chart(&[PLAIN, ("values.yaml", "a: [\n")]);
    assert!(matches!(found(dir.path()), Err(SelectError::Chart { .. })));
}

#[test]
fn a_part_that_is_not_there_is_named() {
    let metadata =
        "name: x\nversion: 1\ndependencies: [{name: redis, version: 1, repository: 'https://x'}]\n";
    let dir = chart(&[("Chart.yaml", metadata)]);
    let error = found(dir.path()).unwrap_err().to_string();
    assert!(error.contains("redis") && error.contains("helm dependency build"), "{error}");
}

#[test]
fn a_part_that_is_named_without_end_is_refused() {
    let alias = |n: usize| format!("{{name: y, version: 1, alias: y{n}}}");
    let aliases: Vec<String> = (0..300).map(alias).collect();
    let metadata = format!("name: x\nversion: 1\ndependencies: [{}]\n", aliases.join(", "));
    let dir = chart(&[("Chart.yaml", &metadata), ("charts/y/Chart.yaml", "name: y\nversion: 1\n")]);
    let error = found(dir.path()).unwrap_err();
    assert!(error.to_string().contains("charts in each other"), "{error}");
}

#[test]
fn charts_in_charts_without_end_are_refused() {
    let mut at = String::new();
    let mut files = vec![("Chart.yaml".to_owned(), PLAIN.1)];
    for _ in 0..10 {
        at += "charts/x/";
        files.push((format!("{at}Chart.yaml"), PLAIN.1));
    }
    let files: Vec<(&str, &str)> =
        files.iter().map(|(name, text)| (name.as_str(), *text)).collect();
    let error = found(chart(&files).path()).unwrap_err();
    assert!(error.to_string().contains("charts in each other"), "{error}");
}
