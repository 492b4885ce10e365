use super::*;

fn config(form: Form, files: &[(&str, &str)]) -> Result<Config, (usize, ConfigError)> {
    let file = |(directory, text): &(&'static str, &'static str)| ConfigFile {
        form,
        directory,
        bytes: text.as_bytes(),
    };
    let files: Vec<(&'static str, &'static str)> =
        files.iter().map(|(a, b)| (leak(a), leak(b))).collect();
    Config::parse(form, &files.iter().map(file).collect::<Vec<_>>())
}

fn leak(text: &str) -> &'static str {
    Box::leak(text.to_owned().into_boxed_str())
}

/// The names that are asked for, `!` for those without TLS.
fn asks(config: &Config, name: &str) -> Vec<String> {
    let all = config.asks(&name.parse().unwrap()).into_iter();
    all.map(|ask| format!("{}{}", if ask.insecure { "!" } else { "" }, ask.name)).collect()
}

fn by_digest(name: &str) -> String {
    format!("{name}@{}", Digest::of(b""))
}

#[test]
fn containerd_asks_hosts_in_their_order_and_then_the_server() {
    let text = "server = \"https://last.example\"\n[host.\"http://z.example:5000\"]\n\
                capabilities = [\"pull\", \"resolve\"]\n[host.\"https://a.example/v2/m/n\"]\n\
                override_path = true\n[host.\"https://b.example/v2\"]\ncapabilities = [\"pull\"]\n\
                [host.\"https://c.example/v2/m\"]\n";
    let config = config(
        Form::Containerd,
        &[("quay.io", text), ("ghcr.io", ""), ("x.io_5_", "server = \"y.io\"")],
    )
    .unwrap();
    let expected = [
        "!z.example:5000/a/b:1",
        "a.example/m/n/a/b:1",
        // Without override_path the path of a registry is appended, and there is none.
        "c.example/m/v2/a/b:1",
        "last.example/a/b:1",
    ];
    assert_eq!(asks(&config, "quay.io/a/b:1"), expected);
    let pinned = asks(&config, &by_digest("quay.io/a/b"));
    assert_eq!(pinned.len(), 5);
    assert_eq!(pinned[2], by_digest("b.example/a/b"));
    assert_eq!(asks(&config, "ghcr.io/a:1"), ["ghcr.io/a:1"]);
    assert_eq!(asks(&config, "other.io/a:1"), ["other.io/a:1"]);
    assert_eq!(asks(&config, "x.io:5/a:1"), ["y.io/a:1"]);
}

#[test]
fn containerd_has_a_directory_for_all_others() {
    let text = "[host.\"https://site/sub/path\"]\noverride_path = true\n";
    let config = config(Form::Containerd, &[("_default", text)]).unwrap();
    assert_eq!(asks(&config, "busybox:1")[0], "site/sub/path//library/busybox:1");
    let hub = "server = \"https://registry-1.docker.io\"\n";
    let config = super::tests::config(Form::Containerd, &[("docker.io", hub)]).unwrap();
    assert_eq!(asks(&config, "busybox:1"), ["docker.io/library/busybox:1"]);
}

#[test]
fn containers_takes_the_longest_prefix() {
    let text = "unqualified-search-registries = [\"docker.io\"]\n\
                [[registry]]\nprefix = \"quay.io\"\nlocation = \"site/q\"\n\
                [[registry]]\nprefix = \"quay.io/a\"\nlocation = \"quay.io/a\"\n\
                [[registry.mirror]]\nlocation = \"site/m\"\ninsecure = true\n\
                pull-from-mirror = \"digest-only\"\n\
                [[registry.mirror]]\nlocation = \"tags\"\npull-from-mirror = \"tag-only\"\n\
                [[registry]]\nlocation = \"bad.io\"\nblocked = true\n\
                [[registry]]\nprefix = \"*.wild.io\"\nlocation = \"site/w\"\n";
    let over = "[[registry]]\nprefix = \"quay.io\"\nlocation = \"later/q\"\n";
    let config = config(Form::Containers, &[("", text), ("", over)]).unwrap();
    assert_eq!(asks(&config, "quay.io/b/c:1"), ["later/q/b/c:1"]);
    assert_eq!(asks(&config, "quay.io/a/c:1"), ["tags/c:1", "quay.io/a/c:1"]);
    let pinned = [format!("!{}", by_digest("site/m/c")), by_digest("quay.io/a/c")];
    assert_eq!(asks(&config, &by_digest("quay.io/a/c")), pinned);
    assert_eq!(asks(&config, "quay.io/ab:1"), ["later/q/ab:1"]);
    assert_eq!(asks(&config, "bad.io/x:1"), Vec::<String>::new());
    assert_eq!(asks(&config, "one.wild.io/x:1"), ["site/w/x:1"]);
    assert_eq!(asks(&config, "wild.io/x:1"), ["wild.io/x:1"]);
    let digests = "[[registry]]\nlocation = \"a.io\"\nmirror-by-digest-only = true\n\
                   [[registry.mirror]]\nlocation = \"site\"\n";
    let config = super::tests::config(Form::Containers, &[("", digests)]).unwrap();
    assert_eq!(asks(&config, "a.io/x:1"), ["a.io/x:1"]);
    assert_eq!(asks(&config, &by_digest("a.io/x")).len(), 2);
}

#[test]
fn k3s_rewrites_and_asks_the_host_at_last() {
    let text = "mirrors:\n  quay.io:\n    endpoint:\n      - http://site:5000\n      - https://b/v2/sub\n    \
                rewrite:\n      \"^a/(.*)\": \"m/$1\"\n  \"*\":\n    endpoint: [https://all]\nconfigs: {}\n";
    let config = config(Form::K3s, &[("", text)]).unwrap();
    assert_eq!(
        asks(&config, "quay.io/a/b:1"),
        ["!site:5000/m/b:1", "b/sub/m/b:1", "quay.io/a/b:1"]
    );
    assert_eq!(asks(&config, "quay.io/x:1")[0], "!site:5000/x:1");
    assert_eq!(
        asks(&config, "busybox:1"),
        ["all/library/busybox:1", "docker.io/library/busybox:1"]
    );
    let two = "mirrors:\n  quay.io:\n    endpoint: [https://s]\n    rewrite:\n      \"^a\": \"b\"\n      \
               \"a/\": \"c/\"\n";
    let config = super::tests::config(Form::K3s, &[("", two)]).unwrap();
    assert_eq!(asks(&config, "quay.io/a/x:1")[0], "s/b/x or c/x:1");
    for empty in ["", "mirrors:\n", "configs: {}\n"] {
        let config = super::tests::config(Form::K3s, &[("", empty)]).unwrap();
        assert_eq!(asks(&config, "quay.io/x:1"), ["quay.io/x:1"], "{empty}");
    }
}

#[test]
fn what_is_no_configuration_is_refused() {
    let deep = format!("a = {}", "[".repeat(100_000));
    let nested = "[".repeat(100_000);
    let bomb = "a: &a [x, x, x, x, x, x, x, x, x, x]\n".to_owned()
        + &(1..12)
            .map(|n| {
                format!(
                    "a{n}: &a{n} [{}]\n",
                    format!("*a{}, ", if n == 1 { String::new() } else { (n - 1).to_string() })
                        .repeat(10)
                        .trim_end_matches(", ")
                )
            })
            .collect::<String>();
    let large = "#".repeat(1024 * 1024 + 1);
    for (form, text) in [
        (Form::Containerd, "host ="),
        (Form::Containerd, "server = \"ftp://x\""),
        (Form::Containerd, "[host.\"https:///x\"]\n"),
        (Form::Containerd, "server = 1"),
        (Form::Containerd, &deep),
        (Form::Containerd, &large),
        (Form::Containers, "[[registry]]\nprefix = \"a\"\nprefix = \"b\""),
        (Form::Containers, "[[registry]]\n"),
        (Form::Containers, "[registries.search]\nregistries = []"),
        (
            Form::Containers,
            "[[registry]]\nlocation = \"a\"\n[[registry.mirror]]\nlocation = \"b\"\npull-from-mirror = \"never\"",
        ),
        (Form::Containers, &deep),
        (Form::K3s, "mirrors: [a]"),
        (Form::K3s, "mirrors:\n  a: {}\n  a: {}\n"),
        (Form::K3s, "mirrors:\n  a:\n    rewrite:\n      \"(\": x\n"),
        (Form::K3s, "mirrors:\n  a:\n    endpoint: [\"ftp://x\"]\n"),
        (Form::K3s, &nested),
        (Form::K3s, &bomb),
        (Form::K3s, "\u{0}"),
    ] {
        let refused = config(form, &[("ok", ""), ("x", text)]);
        let start: String = text.chars().take(60).collect();
        assert!(matches!(refused, Err((1, _))), "{form:?} {start}: {refused:?}");
    }
    let bytes = ConfigFile { form: Form::K3s, directory: "", bytes: b"\xff" };
    assert!(Config::parse(Form::K3s, &[bytes]).is_err());
}

#[test]
fn a_verdict_says_where_a_pull_goes() {
    let target: Reference = "site:5000/m/x:1".parse().unwrap();
    let verdict = |names: &[&str]| {
        let asks: Vec<Ask> =
            names.iter().map(|name| Ask { name: (*name).to_owned(), insecure: false }).collect();
        Verdict::of(&asks, &target)
    };
    assert_eq!(verdict(&[]), Verdict::Nobody);
    assert_eq!(verdict(&["site:5000/m/x:1"]), Verdict::Ok);
    assert_eq!(verdict(&["site:5000/m/x:1", "quay.io/x:1"]), Verdict::Fallback);
    assert_eq!(verdict(&["quay.io/x:1", "site:5000/m/x:1"]), Verdict::Later);
    assert_eq!(verdict(&["site:5000/m/x:2", "site:5000/x:1"]), Verdict::Elsewhere);
}
