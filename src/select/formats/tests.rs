//! Each kind of list: what is taken and why, in its order; and what is refused by name.

use super::*;

const DATA: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/testdata/select");

fn list(kind: Option<Kind>, name: &str, text: &str) -> Result<List, SelectError> {
    let file = ListFile { kind, path: name.into() };
    read(&file, Some(text.as_bytes()))
}

/// What a text asks for, and why.
fn wishes(list: &List) -> Vec<(String, String)> {
    let shown = |entry: &ListEntry| {
        let text = entry.wish.to_string().replace(DATA, "DATA");
        let kind = match &entry.wish {
            Wish::Chart { images: true, .. } => "+images ",
            Wish::Chart { .. } => "chart ",
            _ => "",
        };
        let text = text.strip_prefix("docker://").unwrap_or(&text).to_owned();
        (format!("{kind}{text}"), entry.why.replace(DATA, "DATA"))
    };
    list.entries.iter().map(shown).collect()
}

/// The same of a file of the test data.
fn of(file: &str) -> (Vec<String>, Vec<String>) {
    let path = Path::new(DATA).join(file);
    let bytes = (!path.is_dir()).then(|| std::fs::read(&path).unwrap());
    let found = read(&ListFile::new(&path), bytes.as_deref());
    let found = found.unwrap_or_else(|error| panic!("{file}: {error}"));
    wishes(&found).into_iter().unzip()
}

fn refused(name: &str, text: &str) -> String {
    match list(None, name, text) {
        Err(error) => error.to_string(),
        Ok(list) => panic!("{name}: {:?}", wishes(&list)),
    }
}

const DIGEST: &str = "sha256:4d5045ae365d7fbe2f69bf3bc56cb5f84786f9b0285fd70dd169797467f1956a";

#[test]
fn skopeo_names_tags_digests_expressions_and_versions() {
    let (found, why) = of("skopeo.yaml");
    let pinned = format!("registry.example.com/busybox-pinned@{DIGEST}");
    let expected = [
        "registry.example.com/busybox:*",
        "registry.example.com/redis:1.0",
        "registry.example.com/redis:2.0",
        pinned.as_str(),
        "registry.example.com/nginx:^1\\.13\\.[12]-alpine-perl$",
        "registry.example.com/alpine:>= 3.12.0",
        "quay.io/coreos/etcd:latest",
    ];
    assert_eq!(found, expected);
    assert_eq!(why[0], "DATA/skopeo.yaml:4: [\"registry.example.com\"].images.busybox");
    assert_eq!(why[2], "DATA/skopeo.yaml:7: [\"registry.example.com\"].images.redis[1]");
}

#[test]
fn skopeo_says_nothing_of_how_registries_are_reached() {
    for (key, instead) in [
        ("tls-verify: false", "--plain-http"),
        ("credentials: {username: a, password: b}", "--creds"),
        ("cert-dir: /etc/certs", "--ca-file"),
        ("other: 1", "not known"),
    ] {
        let text = format!("q.io:\n  images: {{a: [b]}}\n  {key}\n");
        let message = refused("s.yml", &text);
        assert!(message.starts_with("s.yml:3: ") && message.contains(instead), "{message}");
        assert!(!message.contains("password: b"));
    }
    assert!(
        refused("s.yml", "myhost:\n  images: {a: [b]}\n").contains("not the name of a registry")
    );
    assert!(refused("s.yml", "q.io:\n  images-by-tag-regex: {a: '('}\n").contains("expression"));
    assert!(refused("s.yml", "q.io:\n  images-by-semver: {a: new}\n").contains("range"));
}

#[test]
fn oc_mirror_names_images_charts_and_what_is_blocked() {
    let (found, why) = of("oc-mirror-v1.yaml");
    assert_eq!(
        found,
        [
            "registry.redhat.io/ubi8/ubi:latest",
            "quay.io/prometheus/prometheus:v3.0.0",
            "+images ghcr.io/team/charts/podinfo:6.7.1",
            "+images chart:DATA/charts/hello",
        ]
    );
    assert_eq!(why[1], "DATA/oc-mirror-v1.yaml:11: mirror.additionalImages[1].name");
    assert_eq!(why[3], "DATA/oc-mirror-v1.yaml:23: mirror.helm.local[0]");
    let (found, _) = of("oc-mirror-v2.yaml");
    assert_eq!(found, ["registry.redhat.io/ubi9/ubi:9.4", "quay.io/a/b:1.0", "quay.io/a/b:1.1"]);
    let path = Path::new(DATA).join("oc-mirror-v2.yaml");
    let list = read(&ListFile::new(&path), Some(&std::fs::read(&path).unwrap())).unwrap();
    let blocked = |text: &str| list.blocked.iter().any(|it| it.blocks(&text.parse().unwrap()));
    assert!(
        blocked("quay.io/a/b:1.1") && blocked("quay.io/a/c:7") && blocked("quay.io/a/c:latest")
    );
    assert!(
        !blocked("quay.io/a/b:1.0") && !blocked("quay.io/a/cc:1") && !blocked("oci:quay.io/a/c")
    );
}

#[test]
fn oc_mirror_names_every_operator_and_release_that_it_does_not_take() {
    let text = "kind: ImageSetConfiguration\napiVersion: mirror.openshift.io/v2alpha1\nmirror:\n  \
        platform: {channels: [{name: stable-4.18}], graph: true}\n  operators:\n  - catalog: r.io/idx:v4\n    \
        packages: [{name: aws}, {name: gpu}]\n  - catalog: r.io/other:v4\n  additionalImages: [{name: a}]\n";
    let message = refused("i.yaml", text);
    for named in
        ["operators aws, gpu of r.io/idx:v4", "operators of r.io/other:v4", "stable-4.18", "graph"]
    {
        assert!(message.contains(named), "{named}: {message}");
    }
    let other = text.replace("v2alpha1", "v3");
    assert!(refused("i.yaml", &other).contains("mirror.openshift.io/v3"));
    let odd = "kind: ImageSetConfiguration\napiVersion: mirror.openshift.io/v2alpha1\nmirror: {additionalImages: [{name: a, targetTag: b}]}\n";
    assert!(refused("i.yaml", odd).contains("mirror.additionalImages[0].targetTag"));
    let http = "kind: ImageSetConfiguration\napiVersion: mirror.openshift.io/v2alpha1\nmirror: {helm: {repositories: [{name: x, url: 'https://x', charts: [{name: pod, version: '1'}]}]}}\n";
    assert!(refused("i.yaml", http).contains("pod is in a chart repository"));
}

#[test]
fn hauler_names_images_and_charts() {
    let (found, why) = of("hauler.yaml");
    assert_eq!(
        found,
        [
            "docker.io/library/busybox:1.36",
            "ghcr.io/hauler-dev/library/alpine:latest",
            "chart ghcr.io/hauler-dev/charts/rancher:2.8.2",
            "+images chart:DATA/charts/hello",
        ]
    );
    assert_eq!(why[1], "DATA/hauler.yaml:8: spec.images[1].name");
    let document = |kind: &str, spec: &str| {
        format!(
            "apiVersion: content.hauler.cattle.io/v1\nkind: {kind}\nmetadata: {{name: x}}\nspec: {spec}\n"
        )
    };
    for (kind, spec, said) in [
        ("Files", "{files: [{path: https://x/a.sh, name: a}]}", "https://x/a.sh"),
        ("ImageTxts", "{}", "ImageTxts"),
        ("Images", "{images: [{name: a, platform: linux/amd64}]}", "--platform"),
        ("Images", "{images: [{name: a, key: b}]}", "policy"),
        ("Charts", "{charts: [{name: a, repoURL: 'https://x', version: '1'}]}", "helm pull"),
    ] {
        let message = refused("h.yaml", &document(kind, spec));
        assert!(message.contains(said), "{message}");
    }
    let annotated = document("Images", "{images: [{name: a}]}")
        .replace("name: x", "annotations: {hauler.dev/registry: r}");
    assert!(refused("h.yaml", &annotated).contains("hauler.dev/registry"));
}

#[test]
fn zarf_names_images_and_charts_of_components() {
    let (found, why) = of("zarf.yaml");
    assert_eq!(
        found,
        [
            "ghcr.io/stefanprodan/podinfo:6.4.0",
            "chart ghcr.io/stefanprodan/charts/podinfo:6.4.0",
            "docker.io/library/registry:2.8.3",
            "chart chart:DATA/charts/hello",
        ]
    );
    assert_eq!(why[0], "DATA/zarf.yaml:20: components[0].images[0]");
    let component = |more: &str| {
        format!("kind: ZarfPackageConfig\ncomponents:\n- name: x\n  images: [a]\n  {more}\n")
    };
    for (more, said) in [
        ("import: {path: ../y}", "components[0].import"),
        ("imageArchives: [{path: a.tar}]", "docker-archive"),
        ("charts: [{name: a, url: 'https://x', version: '1'}]", "helm pull"),
        ("charts: [{name: a, url: 'https://x', gitPath: p, version: '1'}]", "git"),
        ("charts: [{name: a}]", "where it is"),
    ] {
        let message = refused("zarf.yaml", &component(more));
        assert!(message.contains(said), "{message}");
    }
    let templated = component("").replace("[a]", "['a:###ZARF_PKG_TMPL_V###']");
    assert!(refused("zarf.yaml", &templated).contains("ZARF_PKG_TMPL"));
}

#[test]
fn imgpkg_names_digests() {
    let (found, why) = of("imgpkg/images.yml");
    assert_eq!(
        found,
        [format!("index.docker.io/dkalinin/k8s-simple-app@{DIGEST}").replace("index.", "")]
    );
    assert_eq!(why, ["DATA/imgpkg/images.yml:7: images[0].image"]);
    let head = "apiVersion: imgpkg.carvel.dev/v1alpha1\nkind: ImagesLock\n";
    assert!(refused("i.yml", &format!("{head}images: [{{image: a:1}}]")).contains("by digest"));
    assert!(refused("i.yml", &format!("{head}images: []")).contains("no image in it"));
    assert!(
        refused("i.yml", &format!("{head}images: [{{image: a@{DIGEST}, x: 1}}]"))
            .contains("images[0].x")
    );
    assert!(
        refused("i.yml", "apiVersion: imgpkg.carvel.dev/v1alpha1\nkind: Bundle\n")
            .contains("Bundle")
    );
}

#[test]
fn kubernetes_images_are_found_wherever_they_stand() {
    let (found, why) = of("kubernetes.yaml");
    assert_eq!(
        found,
        [
            "docker.io/library/nginx:1.27.0",
            "docker.io/library/busybox:1.36",
            "quay.io/team/debug:1",
            "quay.io/team/model:v2",
            "registry.example/cron:3",
            "quay.io/prometheus/prometheus:v3.0.0",
            "quay.io/team/listed:1",
            "quay.io/team/rollout:2",
        ]
    );
    assert_eq!(why[0], "DATA/kubernetes.yaml:13: spec.template.spec.containers[0].image");
    assert_eq!(why[3], "DATA/kubernetes.yaml:26: spec.template.spec.volumes[0].image.reference");
    assert_eq!(why[6], "DATA/kubernetes.yaml:81: items[0].spec.containers[0].image");
    assert!(refused("k.yaml", "apiVersion: v1\nkind: Service\n").contains("no image in it"));
    assert!(
        refused("k.yaml", "apiVersion: v1\nkind: Pod\nspec: {containers: [{image: '${IMG}'}]}")
            .starts_with("k.yaml:3: spec.containers[0].image: ")
    );
    assert!(
        refused("k.yaml", "a: {{ .Values.image }}\napiVersion: v1\nkind: Pod\n")
            .starts_with("k.yaml:1: ")
    );
}

#[test]
fn kustomize_changes_the_images_of_its_resources() {
    let expected = [
        "registry.site/mirror/nginx:1.27.1",
        "docker.io/library/busybox:1.36",
        "registry.example/tool@sha256:4d5045ae365d7fbe2f69bf3bc56cb5f84786f9b0285fd70dd169797467f1956a",
    ];
    for place in ["kustomize/overlay", "kustomize/overlay/kustomization.yaml"] {
        let (found, why) = of(place);
        assert_eq!(found, expected);
        assert_eq!(
            why[0],
            "DATA/kustomize/overlay/../base/deployment.yaml:10: spec.template.spec.containers[0].image, \
            DATA/kustomize/overlay/../base/kustomization.yaml:6: images[0], DATA/kustomize/overlay/kustomization.yaml:6: images[0]"
        );
    }
    let head = "apiVersion: kustomize.config.k8s.io/v1beta1\nkind: Kustomization\n";
    for (more, said) in [
        (
            "resources: ['https://github.com/a/b?ref=v1']",
            "https://github.com/a/b?ref=v1 is elsewhere",
        ),
        ("helmCharts: [{name: a}]", "helmCharts"),
        ("patches: [{patch: 'image: x'}]", "patches[0]"),
        ("images: [{name: a, newName: b}]", "neither newTag nor digest"),
        ("images: [{name: a, newTag: b, tagSuffix: c}]", "tagSuffix"),
        ("resources: [nowhere.yaml]", "nowhere.yaml"),
    ] {
        let message = refused("kustomization.yaml", &format!("{head}{more}\n"));
        assert!(message.contains(said), "{message}");
    }
}

#[test]
fn kustomizations_in_a_circle_are_refused() {
    let dir = tempfile::tempdir().unwrap();
    for (here, there) in [("a", "b"), ("b", "a")] {
        std::fs::create_dir(dir.path().join(here)).unwrap();
        std::fs::write(
            dir.path().join(here).join("kustomization.yaml"),
            format!("resources: [../{there}]\n"),
        )
        .unwrap();
    }
    let error = read(&ListFile::new(dir.path().join("a")), None).unwrap_err();
    assert!(error.to_string().contains("in a circle"), "{error}");
}

#[test]
fn compose_takes_defaults_and_no_environment() {
    let (found, why) = of("compose.yaml");
    assert_eq!(
        found,
        [
            "docker.io/library/postgres:16.4",
            "quay.io/team/web:1.2-alpine",
            "docker.io/library/redis:7",
            "registry.example/built:1",
        ]
    );
    assert_eq!(why[1], "DATA/compose.yaml:8: services.web.image");
    for (service, said) in [
        ("{image: 'a:${PATH}'}", "the variable PATH has no default"),
        ("{image: 'a:$HOME'}", "the variable HOME has no default"),
        ("{image: 'a:${T:?say}'}", "the variable T has no default"),
        ("{image: 'a:${T'}", "closing brace"),
        ("{build: .}", "x is built here"),
        ("{command: y}", "x has no image"),
        ("{extends: {file: b.yaml, service: c}}", "docker compose config"),
    ] {
        let message = refused("c.yaml", &format!("services:\n  x: {service}\n"));
        assert!(message.starts_with("c.yaml:2: ") && message.contains(said), "{message}");
    }
    assert!(
        refused("c.yaml", "include: [b.yaml]\nservices: {x: {image: a}}\n").contains("include")
    );
    let nested =
        format!("services: {{x: {{image: 'a:{}1{}'}}}}\n", "${A:-".repeat(20), "}".repeat(20));
    assert!(refused("c.yaml", &nested).contains("nest too deep"));
}

#[test]
fn what_is_of_no_known_kind_is_refused_and_never_empty() {
    assert!(refused("x.yaml", "foo: 1\nbar: 2\n").contains("the keys foo, bar"));
    assert!(refused("x.yaml", "- a\n- b\n").contains("no map"));
    assert!(refused("x.yaml", "---\n").contains("no image in it"));
    assert!(refused("x.json", "[]").contains("no map"));
    assert!(refused("x.yaml", "a: b: c\n").starts_with("x.yaml:1: not YAML"));
    assert!(refused("x.yaml", "version: '3'\nservices: {}\nservices: {}\n").contains("twice"));
    assert!(matches!(read(&ListFile::new("src"), None), Err(SelectError::UnknownKind { .. })));
}

#[test]
fn a_plain_list_is_no_yaml_and_a_kind_can_be_said() {
    for text in [
        "busybox:1.36\n",
        "# a: b\nbusybox:1.36 # c: d\n",
        "q.io/a:{semver=>=1 <2}\n",
        "\u{feff}\n\nx=oci:a\n",
    ] {
        assert_eq!(list(None, "x", text).unwrap().entries.len(), 1, "{text}");
    }
    assert!(list(None, "empty.txt", "# nothing\n").unwrap().entries.is_empty());
    assert_eq!(
        list(None, "x.json", r#"{"services": {"a": {"image": "b"}}}"#).unwrap().entries.len(),
        1
    );
    let said = "compose:a:b.yml".parse::<ListFile>().unwrap();
    assert_eq!(said, ListFile { kind: Some(Kind::Compose), path: "a:b.yml".into() });
    assert_eq!("other:b.yml".parse::<ListFile>().unwrap(), ListFile::new("other:b.yml"));
    let said =
        list(Some(Kind::Compose), "x", "apiVersion: 1\nkind: 2\nservices: {a: {image: b}}\n");
    assert_eq!(said.unwrap().entries.len(), 1);
    assert!(list(Some(Kind::Imgpkg), "x", "services: {}\n").is_err());
}
