//! Patterns of tags, asked of a real registry.

use super::small::Pusher;
use super::support::DockerRegistry;
use super::support::command::Work;
use super::{TRUST, locked, names};

/// `app` in seven versions, the later the higher but for `2.0.0`, and what stands beside them.
fn seeded() -> DockerRegistry {
    let registry = DockerRegistry::start();
    let mut pusher = Pusher::on(&registry.host());
    for (tag, day) in [
        ("1.0.0", 1),
        ("1.2.0", 2),
        ("v1.10.0", 3),
        ("2.0.0", 4),
        ("1.9.9", 5),
        ("2.1.0-rc.1", 6),
        ("latest", 7),
        ("nightly", 8),
    ] {
        pusher.image("team/app", &[tag], tag, &format!("2026-05-{day:02}T12:00:00Z"));
    }
    pusher.image("undated/app", &["1"], "x", "x");
    registry
}

#[test]
fn each_way_of_choosing_finds_what_it_says() {
    let (work, from) = (Work::new(), seeded());
    let host = from.host();
    for (pattern, expected) in [
        ("1.*", &["1.0.0", "1.2.0", "1.9.9"][..]),
        ("~v?1\\.\\d{1,}\\.0", &["1.0.0", "1.2.0", "v1.10.0"]),
        ("{semver=>=1.2,<2}", &["1.2.0", "1.9.9", "v1.10.0"]),
        ("{semver=^1;newest=1}", &["v1.10.0"]),
        ("{newest=2}", &["2.0.0", "2.1.0-rc.1"]),
        ("{newest-created=2}", &["latest", "nightly"]),
        ("{regex=[\\d.]+;newest-created=1}", &["1.9.9"]),
        ("{created-since=2026-05-07}", &["latest", "nightly"]),
    ] {
        work.ok(&format!("lock {host}/team/app:{pattern} -o images.lock"));
        let expected: Vec<String> = expected.iter().map(|tag| format!("team/app:{tag}")).collect();
        assert_eq!(names(&work, "images.lock", &host), expected, "{pattern}");
    }
    work.ok(&format!("lock {host}/team/app:* --jobs 1 -o one.lock"));
    work.ok(&format!("lock {host}/team/app:* --jobs 16 -o many.lock"));
    assert_eq!(names(&work, "one.lock", &host).len(), 8);
    assert_eq!(work.read("one.lock"), work.read("many.lock"));
}

#[test]
fn a_list_holds_patterns_and_says_so_in_the_lock() {
    let (work, from) = (Work::new(), seeded());
    let host = from.host();
    work.write("images.txt", format!(
        "# what we run\n{host}/team/app:{{semver=>=1.2 <2; newest=1}}  # the newest 1.x\n\n{host}/team/app:v1.10.0\n"
    ));
    work.ok("lock -f images.txt -o images.lock");
    let why = vec![
        "images.txt:2: HOST/team/app:{semver=>=1.2 <2; newest=1}".to_owned(),
        "images.txt:4".to_owned(),
    ];
    assert_eq!(locked(&work, "images.lock", &host), [("team/app:v1.10.0".to_owned(), why)]);
    work.ok("export --lock images.lock -o bundle --key release.key");
    let seen = work.json(&format!("inspect bundle {TRUST}"));
    assert_eq!(seen["images"].as_array().unwrap().len(), 1);
}

#[test]
fn a_pattern_that_finds_nothing_is_an_error() {
    let (work, from) = (Work::new(), seeded());
    let host = from.host();
    for (line, exit, code, said) in [
        ("team/app:9.*", 1, "no-match", "nothing matches"),
        ("team/app:{semver=>=3}", 1, "no-match", "nothing matches"),
        ("nobody/", 1, "no-match", "nobody/"),
        ("team/none:*", 1, "not-found", "team/none"),
        ("undated/app:{newest-created=1}", 1, "undated", "undated/app:1"),
        ("team/app:~(", 2, "bad-pattern", "regular expression"),
        ("team/app:{newest=x}", 2, "bad-pattern", "x"),
        ("team/*:1", 2, "bad-pattern", "tags of one repository"),
    ] {
        let message = work.refused(&format!("lock {host}/{line} -o x.lock"), exit, code);
        assert!(message.contains(said), "{line}: {message}");
        assert!(!work.path("x.lock").exists());
    }
    // What can be had is had when that is asked for.
    let line = format!("lock {host}/team/app:9.* {host}/team/app:latest --keep-going -o x.lock");
    work.refused(&line, 5, "partial");
    assert_eq!(names(&work, "x.lock", &host), ["team/app:latest"]);
}
