use super::*;
use crate::import::{self, Affix, Rule};
use crate::oci::PinnedImage;

fn image(name: &str) -> PinnedImage {
    PinnedImage {
        name: name.parse().unwrap(),
        source: name.to_owned(),
        why: vec![],
        digest: Digest::of(name.as_bytes()),
        bytes: 0,
        index: None,
        documents: vec![],
        omitted: vec![],
    }
}

fn mapping(rules: &[&str]) -> Mapping {
    let base = Base::Registry { host: "site:5000".to_owned(), prefix: "m".to_owned() };
    Mapping::new(base, rules.iter().map(|rule| rule.parse().unwrap()).collect())
}

/// The files for these images, and what they cannot say, as `form name: why`.
fn files(
    mapping: &Mapping,
    manner: Manner,
    names: &[&str],
) -> (BTreeMap<String, String>, Vec<String>) {
    let images: Vec<PinnedImage> = names.iter().map(|name| image(name)).collect();
    let plan = import::plan(&images, &[], mapping).unwrap();
    let site = Site::new(&plan, mapping, manner, vec!["From a test.".to_owned()]).unwrap();
    let (files, limits) = site.files();
    let shown = |it: &Limit| format!("{} {}: {}", it.form.name(), it.name, it.why);
    let files = files.into_iter().map(|file| (file.path, file.text)).collect();
    (files, limits.iter().map(shown).collect())
}

/// What follows the head of a file.
fn body<'a>(files: &'a BTreeMap<String, String>, path: &str) -> &'a str {
    let text = &files[path];
    assert!(text.starts_with("# Made by gapferry "), "{text}");
    text.split_once("\n\n").unwrap().1
}

const PLAIN: Manner = Manner { plain_http: false, fallback: false };
const CONF: &str = "containers/registries.conf.d/50-gapferry.conf";
const K3S: &str = "k3s/registries.yaml";
const DIGESTS: &str = "openshift/image-digest-mirror-set.yaml";
const TAGS: &str = "openshift/image-tag-mirror-set.yaml";

#[test]
fn hosts_that_are_kept_are_said_in_every_form() {
    let names = ["busybox:1", "quay.example:443/x/y:1"];
    let (files, limits) = files(&mapping(&[]).keeping_hosts(true), PLAIN, &names);
    let hosts_toml = |host: &str| {
        let url = format!("https://site:5000/v2/m/{host}");
        let same = "capabilities = [\"pull\", \"resolve\"]\noverride_path = true\n";
        format!("server = \"{url}\"\n{same}\n[host.\"{url}\"]\n{same}")
    };
    assert_eq!(body(&files, "containerd/certs.d/docker.io/hosts.toml"), hosts_toml("docker.io"));
    let with_port = body(&files, "containerd/certs.d/quay.example_443_/hosts.toml");
    assert_eq!(with_port, hosts_toml("quay.example-443"));
    assert_eq!(
        body(&files, CONF),
        "[[registry]]\nprefix = \"docker.io\"\nlocation = \"site:5000/m/docker.io\"\n\n[[registry]]\n\
         prefix = \"quay.example:443\"\nlocation = \"site:5000/m/quay.example-443\"\n"
    );
    assert_eq!(
        body(&files, K3S),
        "mirrors:\n  \"docker.io\":\n    endpoint:\n      - \"https://site:5000\"\n    rewrite:\n      \
         \"^(.*)$\": \"m/docker.io/$1\"\n  \"quay.example:443\":\n    endpoint:\n      - \
         \"https://site:5000\"\n    rewrite:\n      \"^(.*)$\": \"m/quay.example-443/$1\"\n"
    );
    let list = "    - source: \"docker.io\"\n      mirrors:\n        - \"site:5000/m/docker.io\"\n      \
                mirrorSourcePolicy: NeverContactSource\n    - source: \"quay.example:443\"\n      \
                mirrors:\n        - \"site:5000/m/quay.example-443\"\n      mirrorSourcePolicy: \
                NeverContactSource\n";
    let set = |kind: &str, field: &str| {
        format!(
            "apiVersion: config.openshift.io/v1\nkind: {kind}\nmetadata:\n  name: gapferry\nspec:\n  \
             {field}:\n{list}"
        )
    };
    assert_eq!(body(&files, DIGESTS), set("ImageDigestMirrorSet", "imageDigestMirrors"));
    assert_eq!(body(&files, TAGS), set("ImageTagMirrorSet", "imageTagMirrors"));
    assert_eq!(limits.len(), 1, "{limits:?}");
    assert!(limits[0].starts_with("k3s every host: its own registry"), "{limits:?}");
    let line = format!(
        "docker.io/library/busybox:1 site:5000/m/docker.io/library/busybox:1 {}",
        Digest::of(b"busybox:1")
    );
    assert!(files["references.txt"].lines().any(|it| it == line), "{}", files["references.txt"]);
    assert_eq!(files.len(), 8);
}

/// Without their hosts, a name of one host could be answered with an image of another.
#[test]
fn what_shares_a_path_is_said_repository_by_repository() {
    let (files, limits) = files(&mapping(&[]), PLAIN, &["ghcr.io/a/b:1", "quay.io/c/d:1"]);
    assert_eq!(
        body(&files, CONF),
        "[[registry]]\nprefix = \"ghcr.io/a/b\"\nlocation = \"site:5000/m/a/b\"\n\n[[registry]]\n\
         prefix = \"quay.io/c/d\"\nlocation = \"site:5000/m/c/d\"\n"
    );
    assert!(body(&files, K3S).contains("      \"^a/b$\": \"m/a/b\"\n"), "{}", body(&files, K3S));
    assert!(!files[K3S].contains("(.*)"));
    let of = |form: &str| limits.iter().filter(|it| it.starts_with(form)).collect::<Vec<_>>();
    assert_eq!(
        of("containerd"),
        [
            "containerd ghcr.io: ghcr.io/c/d would be answered with quay.io/c/d",
            "containerd quay.io: quay.io/a/b would be answered with ghcr.io/a/b"
        ]
    );
    // What is not rewritten is asked for by its own path.
    let k3s = "k3s ghcr.io: ghcr.io/m/a/b would be answered with ghcr.io/a/b; 1 more like that";
    assert_eq!(of("k3s")[1], k3s);
    assert!(
        files["containerd/certs.d/quay.io/hosts.toml"].contains("#   quay.io: quay.io/a/b would")
    );
}

#[test]
fn what_is_asked_by_its_own_path_in_k3s_is_told() {
    let base = Base::Registry { host: "site:5000".to_owned(), prefix: String::new() };
    let rules = vec!["quay.io/x=moved".parse().unwrap()];
    let mapping = Mapping::new(base, rules);
    let (_, limits) = files(&mapping, PLAIN, &["ghcr.io/c/d:1", "quay.io/x/y:1"]);
    let expected =
        "k3s quay.io: quay.io/c/d would be answered with ghcr.io/c/d; 1 more like that".to_owned();
    assert!(limits.contains(&expected), "{limits:?}");
}

#[test]
fn rules_for_single_repositories_are_told_or_refused() {
    let rules = ["docker.io=hub", "docker.io/library/busybox=tools/box.x"];
    let (files, limits) = files(&mapping(&rules), PLAIN, &["busybox:1", "alpine:1"]);
    assert!(!files.keys().any(|path| path.contains("docker.io")), "{files:?}");
    assert_eq!(
        limits[0],
        "containerd docker.io: its repositories are not below one path at the site; there is no file \
         for it"
    );
    assert_eq!(
        body(&files, CONF),
        "[[registry]]\nprefix = \"docker.io/library/alpine\"\nlocation = \
         \"site:5000/m/hub/library/alpine\"\n\n[[registry]]\nprefix = \"docker.io/library/busybox\"\n\
         location = \"site:5000/m/tools/box.x\"\n"
    );
    assert!(files[K3S].contains("\"^library/busybox$\": \"m/tools/box.x\""));
    let pattern = Rule::parse_pattern(r"docker\.io/(.*)=hub/$1").unwrap();
    let base = Base::Registry { host: "site:5000".to_owned(), prefix: "m".to_owned() };
    let (files, _) = super::tests::files(&Mapping::new(base, vec![pattern]), PLAIN, &["alpine:1"]);
    // All that is known of the host lies below one path; other forms say no more than that.
    assert!(files["containerd/certs.d/docker.io/hosts.toml"].contains("/v2/m/hub\""));
    assert!(files[CONF].contains("prefix = \"docker.io/library/alpine\""));
}

#[test]
fn other_tags_are_never_asked_for() {
    let affix = Affix { prefix: String::new(), suffix: "-s1".to_owned() };
    let mapping = mapping(&["quay.io=q"]).with_affix(affix);
    let pinned = format!("ghcr.io/a@{}", Digest::of(b"x"));
    let (files, limits) = files(&mapping, PLAIN, &["quay.io/x:1", &pinned]);
    let toml = body(&files, "containerd/certs.d/quay.io/hosts.toml");
    assert!(toml.contains("capabilities = [\"pull\"]\n") && !toml.contains("resolve"), "{toml}");
    assert!(body(&files, CONF).contains(
        "[[registry]]\nprefix = \"quay.io\"\nlocation = \"quay.io\"\n\n[[registry.mirror]]\nlocation = \
         \"site:5000/m/q\"\npull-from-mirror = \"digest-only\"\n"
    ));
    assert!(!body(&files, K3S).contains("quay.io"));
    assert!(body(&files, DIGESTS).contains("\"quay.io\""));
    assert!(!body(&files, TAGS).contains("\"quay.io\""));
    for form in ["containerd quay.io", "containers quay.io", "k3s quay.io", "openshift quay.io"] {
        assert!(limits.iter().any(|it| it.starts_with(form)), "{form}: {limits:?}");
    }
    // What has no tag loses nothing.
    assert!(!limits.iter().any(|it| it.contains("ghcr.io: tags")), "{limits:?}");
}

#[test]
fn plain_http_and_the_way_back_are_said() {
    let manner = Manner { plain_http: true, fallback: true };
    let (files, limits) = files(&mapping(&[]), manner, &["busybox:1"]);
    let toml = body(&files, "containerd/certs.d/docker.io/hosts.toml");
    assert!(toml.starts_with(
        "server = \"https://registry-1.docker.io\"\n\n[host.\"http://site:5000/v2/m\"]"
    ));
    assert_eq!(
        body(&files, CONF),
        "[[registry]]\nprefix = \"docker.io\"\nlocation = \"docker.io\"\n\n[[registry.mirror]]\nlocation \
         = \"site:5000/m\"\ninsecure = true\npull-from-mirror = \"all\"\n"
    );
    assert!(files[K3S].contains("\"http://site:5000\""));
    assert!(files[DIGESTS].contains("mirrorSourcePolicy: AllowContactingSource"));
    assert_eq!(limits.len(), 1);
    assert!(limits[0].starts_with("openshift site:5000: that it speaks plain HTTP"), "{limits:?}");
}

#[test]
fn what_keeps_its_name_needs_no_word() {
    let base = Base::Registry { host: "site:5000".to_owned(), prefix: String::new() };
    let (files, _) = files(&Mapping::new(base, vec![]), PLAIN, &["site:5000/a/b:1"]);
    assert_eq!(files.len(), 6);
    assert!(!files[CONF].contains("[[registry]]"));
    assert!(files[K3S].ends_with("\nmirrors: {}\n"));
    assert!(files[DIGESTS].ends_with("  imageDigestMirrors: []\n"));
}

#[test]
fn nobody_pulls_from_a_layout() {
    let mapping = Mapping::new(Base::Layout, vec![]);
    let images = [image("busybox:1")];
    let plan = import::plan(&images, &[], &mapping).unwrap();
    assert!(Site::new(&plan, &mapping, PLAIN, vec![]).is_none());
}

#[test]
fn a_comment_stays_a_comment() {
    let mapping = mapping(&[]);
    let images = [image("busybox:1")];
    let plan = import::plan(&images, &[], &mapping).unwrap();
    let site = Site::new(&plan, &mapping, PLAIN, vec!["x\ny = 1\u{1b}".to_owned()]).unwrap();
    let (files, _) = site.files();
    let conf = files.iter().find(|file| file.path == CONF).unwrap();
    assert!(conf.text.contains("# x?y = 1?\n"), "{}", conf.text);
}

/// What is written sends every pull to where the import puts the image, or says that it does not.
#[test]
fn what_is_written_is_read_as_it_is_meant() {
    let names = ["busybox:1", "quay.io/a/b:1", "ghcr.io/a/c:1", "x.example:5000/d:1"];
    let pattern = || vec![Rule::parse_pattern("quay.io/(.*)=q/$1").unwrap()];
    let base = || Base::Registry { host: "site:5000".to_owned(), prefix: "m".to_owned() };
    for mapping in [
        mapping(&[]),
        mapping(&[]).keeping_hosts(true),
        mapping(&["docker.io=hub", "quay.io/a/b=one"]),
        Mapping::new(base(), pattern()),
    ] {
        for manner in [PLAIN, Manner { plain_http: true, fallback: true }] {
            let (files, limits) = files(&mapping, manner, &names);
            for form in [Form::Containerd, Form::Containers, Form::K3s] {
                let config = read_back(form, &files);
                for name in names {
                    check_one(&config, &mapping, manner, name, &limits);
                }
            }
        }
    }
}

fn read_back(form: Form, files: &BTreeMap<String, String>) -> Config {
    let of_form = files.iter().filter(|(path, _)| path.starts_with(&format!("{}/", form.name())));
    let files: Vec<ConfigFile<'_>> = of_form
        .map(|(path, text)| {
            let directory = path.rsplit('/').nth(1).unwrap();
            ConfigFile { form, directory, bytes: text.as_bytes() }
        })
        .collect();
    Config::parse(form, &files).unwrap()
}

fn check_one(config: &Config, mapping: &Mapping, manner: Manner, name: &str, limits: &[String]) {
    let name: Reference = name.parse().unwrap();
    let target = mapping.map(&name).unwrap().target;
    let pinned = |it: &Reference| Reference { digest: Some(Digest::of(b"x")), ..it.clone() };
    for (name, target) in [(name.clone(), target.clone()), (pinned(&name), pinned(&target))] {
        let verdict = Verdict::of(&config.asks(&name), &target);
        let host = name.repository.host();
        let told = format!("{} {host}: its repositories", config.form().name());
        let expected = match (config.form(), manner.fallback) {
            (Form::Containerd, _) if limits.iter().any(|it| it.starts_with(&told)) => {
                Verdict::Elsewhere
            }
            (Form::K3s, _) | (_, true) => Verdict::Fallback,
            _ => Verdict::Ok,
        };
        assert_eq!(verdict, expected, "{name} {config:?}");
    }
}
