//! Lists of other tools and charts, all the way from a registry to a registry.

use super::small::Pusher;
use super::support::DockerRegistry;
use super::support::command::Work;
use super::support::images::{Eyes, digest};
use super::{TRUST, locked, names};

fn seeded() -> DockerRegistry {
    let registry = DockerRegistry::start();
    let mut pusher = Pusher::on(&registry.host());
    for (repository, tag) in
        [("web", "1.0"), ("db", "16"), ("cron", "3"), ("tool", "7"), ("side", "2.0")]
    {
        pusher.image(repository, &[tag], repository, "2026-05-01T00:00:00Z");
    }
    registry
}

#[test]
fn lists_of_many_kinds_are_mixed() {
    let (work, from) = (Work::new(), seeded());
    let host = from.host();
    work.write("compose.yaml", format!(
        "services:\n  web: {{image: '{host}/web:${{VERSION:-1.0}}'}}\n  db: {{image: '{host}/db:16'}}\n"
    ));
    work.write("job.yaml", format!(
        "apiVersion: batch/v1\nkind: CronJob\nspec:\n  jobTemplate: {{spec: {{template: {{spec: {{containers: [{{image: '{host}/cron:3'}}]}}}}}}}}\n"
    ));
    work.write("sync.yaml", format!("'{host}':\n  images-by-tag-regex:\n    db: ^1\n"));
    work.write(
        "set.yaml",
        format!(
            "kind: ImageSetConfiguration\napiVersion: mirror.openshift.io/v2alpha1\nmirror:\n  \
         additionalImages: [{{name: '{host}/tool:7'}}, {{name: '{host}/side:2.0'}}]\n  \
         blockedImages: [{{name: '{host}/side'}}]\n"
        ),
    );
    work.write("images.txt", format!("{host}/tool:*\n"));
    let lists = "-f compose.yaml -f job.yaml -f skopeo:sync.yaml -f set.yaml -f images.txt";
    work.ok(&format!("lock {lists} --jobs 1 -o one.lock"));
    work.ok(&format!("lock {lists} --jobs 8 -o images.lock"));
    assert_eq!(work.read("one.lock"), work.read("images.lock"));
    let expected = [
        ("cron:3", vec!["job.yaml:4: spec.jobTemplate.spec.template.spec.containers[0].image"]),
        (
            "db:16",
            vec![
                "compose.yaml:3: services.db.image",
                "sync.yaml:3: [\"HOST\"].images-by-tag-regex.db: HOST/db:^1",
            ],
        ),
        (
            "tool:7",
            vec!["images.txt:1: HOST/tool:*", "set.yaml:4: mirror.additionalImages[0].name"],
        ),
        ("web:1.0", vec!["compose.yaml:2: services.web.image"]),
    ];
    let expected = expected.map(|(name, why)| {
        (name.to_owned(), why.into_iter().map(str::to_owned).collect::<Vec<_>>())
    });
    assert_eq!(locked(&work, "images.lock", &host), expected);
    work.ok(&format!("export {lists} -o bundle --key release.key"));
    let to = DockerRegistry::start();
    work.ok(&format!("import bundle {TRUST} --to docker://{}", to.host()));
    assert_eq!(Eyes::on(&to.host()).catalog().len(), 4);
}

/// Writes a chart that names three images at `host`.
fn chart(work: &Work, host: &str) {
    std::fs::create_dir(work.path("hello")).unwrap();
    work.write(
        "hello/Chart.yaml",
        "apiVersion: v2\nname: hello\nversion: 0.1.0\nappVersion: '1.0'\n",
    );
    work.write("hello/values.yaml", format!(
        "image: {{repository: '{host}/web'}}\ndb:\n  image: {{registry: '{host}', repository: db, tag: 16}}\n"
    ));
    work.write("hello/images.txt", format!("{host}/cron:3\n"));
}

#[test]
fn a_chart_travels_with_its_images_from_disk_and_from_a_registry() {
    let (work, from) = (Work::new(), seeded());
    let host = from.host();
    chart(&work, &host);
    work.ok(&format!("lock {host}/charts/hello:0.1.0=chart:hello -o images.lock"));
    let found = locked(&work, "images.lock", &host);
    let expected = ["charts/hello:0.1.0", "cron:3", "db:16", "web:1.0"];
    assert_eq!(found.iter().map(|(name, _)| name.as_str()).collect::<Vec<_>>(), expected);
    assert_eq!(found[2].1, ["command line: hello-0.1.0: values.yaml:3: db.image"]);
    work.ok("export --lock images.lock -o bundle --key release.key");
    let to = DockerRegistry::start();
    work.ok(&format!("import bundle {TRUST} --to docker://{}", to.host()));
    let eyes = Eyes::on(&to.host());
    let manifest = eyes.json("charts/hello/manifests/0.1.0");
    assert_eq!(manifest["config"]["mediaType"], "application/vnd.cncf.helm.config.v1+json");
    let layer = manifest["layers"][0].clone();
    assert_eq!(layer["mediaType"], "application/vnd.cncf.helm.chart.content.v1.tar+gzip");
    let layer = layer["digest"].as_str().unwrap();
    let (status, _, archive) = eyes.get(&format!("charts/hello/blobs/{layer}"));
    assert_eq!((status, digest(&archive).as_str()), (200, layer));
    let config = manifest["config"]["digest"].as_str().unwrap();
    assert_eq!(eyes.json(&format!("charts/hello/blobs/{config}"))["name"], "hello");

    // The archive as it came, with its own name; as a list of its own.
    work.write("hello-0.1.0.tgz", &archive);
    work.ok("lock -f hello-0.1.0.tgz -o archive.lock");
    let expected = ["cron:3", "db:16", "web:1.0", "localhost/charts/hello:0.1.0"];
    assert_eq!(names(&work, "archive.lock", &host), expected);

    // From the registry, of which the chart is at the second one.
    let at = to.host();
    work.ok(&format!("lock oci://{at}/charts/hello:0.1.0 -o oci.lock"));
    let expected = [&format!("{at}/charts/hello:0.1.0"), "cron:3", "db:16", "web:1.0"];
    let mut found = names(&work, "oci.lock", &host);
    found.sort_by_key(|name| !name.contains("charts"));
    assert_eq!(found, expected);
    work.ok(&format!("lock {at}/charts/hello:0.1.0 -o alone.lock"));
    assert_eq!(names(&work, "alone.lock", &at), ["charts/hello:0.1.0"]);
}

/// Helm and tar read what gapferry packs.
#[test]
fn tar_reads_a_chart_that_gapferry_packed() {
    let (work, from) = (Work::new(), seeded());
    chart(&work, &from.host());
    work.ok("export -f chart:hello -o bundle --key release.key --store-layers");
    let seen = work.json(&format!("inspect bundle {TRUST}"));
    let images = seen["images"].as_array().unwrap();
    let chart = images.iter().find(|it| it["name"] == "localhost/charts/hello:0.1.0").unwrap();
    let blob = |digest: &str| work.read(&format!("bundle/blobs/{}", digest.replace(':', "/")));
    let manifest: serde_json::Value =
        serde_json::from_slice(&blob(chart["digest"].as_str().unwrap())).unwrap();
    work.write("chart.tgz", blob(manifest["layers"][0]["digest"].as_str().unwrap()));
    let listed = work.tool("tar -tzf chart.tgz").output().unwrap();
    assert_eq!(
        String::from_utf8(listed.stdout).unwrap(),
        "hello/Chart.yaml\nhello/images.txt\nhello/values.yaml\n"
    );
}

#[test]
fn lists_that_are_not_taken_are_refused_with_their_line() {
    let work = Work::new();
    for (name, text, code, said) in [
        ("x.yaml", "foo: 1\n", "unknown-list", "x.yaml:1"),
        ("c.yaml", "services:\n  a: {image: 'b:${V}'}\n", "bad-list", "c.yaml:2: services.a.image"),
        ("k.yaml", "a: 1\na: 2\n", "bad-list", "k.yaml:2: the key a is there twice"),
        ("s.yaml", "apiVersion: v1\nkind: Service\n", "no-images", "s.yaml"),
        ("l.txt", "quay.io/a\nquay.io/B\n", "invalid-location", "l.txt:2"),
        (
            "p.yaml",
            "apiVersion: v1\nkind: Pod\nspec:\n  containers:\n  - image: A B\n",
            "invalid-reference",
            "p.yaml:5",
        ),
    ] {
        work.write(name, text);
        let message = work.refused(&format!("lock -f {name} -o x.lock"), 2, code);
        assert!(message.contains(said), "{message}");
    }
    work.write("bad.tgz", b"\x1f\x8bxxxxxxxxxxxxxxxx");
    work.refused("lock -f bad.tgz -o x.lock", 3, "bad-chart");
    work.refused("lock -f nowhere.yaml -o x.lock", 1, "file");
}
