//! Reading policies.

use super::*;
use crate::policy::cosign::KeyError;
use crate::policy::cosign::tests::{P256, Pair};

fn read(text: &str, keys: &[(&str, &str)]) -> Result<Policy, PolicyError> {
    let find = |name: &str| keys.iter().find(|(known, _)| *known == name);
    Policy::parse(text.as_bytes(), |name| Ok(find(name).expect("a known key").1.to_owned()))
}

fn with_head(lines: &str) -> String {
    format!("gapferry = \"policy v1\"\n{lines}")
}

#[test]
fn everything_that_a_policy_can_say_is_read() {
    let pair = Pair::new(P256);
    let blocked = Digest::of(b"bad");
    let text = format!(
        "gapferry = \"policy v1\"
        allow = [\"docker.io/library/*\", \"oci:\"]
        block = [\"{blocked}\"]
        [[rule]]
        match = \"docker.io/**\"
        platforms = [\"linux/amd64\", \"linux/arm64/v8\"]
        require = [\"sbom\", \"cosign-signature\", \"notation-signature\"]
        scan = {{ types = [\"application/sarif+json\"], max-age-days = 7 }}
        require-digest = true
        max-age-days = 90
        max-bytes = 1000
        [[rule]]
        max-bytes = 5
        [[signature]]
        keys = [\"a.pub\"]"
    );
    let policy = read(&text, &[("a.pub", pair.pem())]).unwrap();
    assert_eq!(policy.allow.as_ref().unwrap().len(), 2);
    assert_eq!(policy.block.iter().collect::<Vec<_>>(), [&blocked]);
    let [full, small] = &policy.rules[..] else { panic!("two rules") };
    assert_eq!(full.pattern.as_str(), "docker.io/**");
    assert_eq!(full.platforms.len(), 2);
    assert_eq!(full.require, [Kind::Sbom, Kind::CosignSignature, Kind::NotationSignature]);
    assert_eq!(full.scan.as_ref().unwrap().max_age_days, Some(7));
    assert_eq!((full.require_digest, full.max_age_days), (true, Some(90)));
    assert_eq!((small.pattern.as_str(), small.max_bytes), ("**", Some(5)));
    let [signature] = &policy.signatures[..] else { panic!("one rule of signatures") };
    assert_eq!((signature.threshold, signature.pattern.as_str()), (1, "**"));
    assert_eq!(signature.keys, [("a.pub".to_owned(), pair.key())]);
}

#[test]
fn what_nobody_knows_is_refused_with_its_line() {
    for (lines, line) in [
        ("alow = []", 2),
        ("block = [\"sha256:1\"]", 2),
        ("[[rule]]\nmax-age = 3", 3),
        ("[[rule]]\nrequire = [\"sboms\"]", 3),
        ("[[rule]]\nmatch = \"busybox\"", 3),
        ("[[rule]]\nmax-age-days = -1", 3),
        ("[[rule]]\nplatforms = [\"linux\"]", 3),
        ("[[rule]]\n\nmax-bytes = 1\nmax-bytes = 2", 5),
        ("[[rule]]\nscan = { types = [], age = 1 }", 3),
        ("[[signature]]\nkey = []", 3),
        ("allow = [", 2),
        ("allow = [\"docker:\"]", 2),
    ] {
        match read(&with_head(lines), &[]) {
            Err(PolicyError::Toml { line: found, .. }) => assert_eq!(found, line, "{lines}"),
            other => panic!("{lines}: {other:?}"),
        }
    }
    assert!(matches!(read("", &[]), Err(PolicyError::Toml { line: 1, .. })));
    let deep = format!("allow = {}", "[".repeat(100_000));
    assert!(matches!(read(&with_head(&deep), &[]), Err(PolicyError::Toml { .. })));
    let bytes: &[u8] = b"gapferry = \"\xff\"";
    let refused = Policy::parse::<PolicyError>(bytes, |_| unreachable!());
    assert!(matches!(refused, Err(PolicyError::Toml { line: 1, .. })));
}

#[test]
fn another_version_is_told_from_nonsense() {
    let text = "gapferry = \"policy v2\"\nwhatever = 3";
    assert_eq!(read(text, &[]), Err(PolicyError::Version("policy v2".to_owned())));
}

#[test]
fn a_policy_that_demands_nothing_is_a_slip() {
    for lines in ["", "block = []", "[[rule]]\nmatch = \"**\"", "[[rule]]\nscan = { types = [] }"] {
        assert_eq!(read(&with_head(lines), &[]), Err(PolicyError::Empty), "{lines}");
    }
    assert!(read(&with_head("allow = []"), &[]).is_ok());
}

#[test]
fn a_policy_has_a_size() {
    let long = with_head(&"#".repeat(MAX_POLICY_SIZE as usize));
    assert_eq!(read(&long, &[]), Err(PolicyError::TooLarge));
}

#[test]
fn keys_are_distinct_and_enough() {
    let (one, two) = (Pair::new(P256), Pair::new(P256));
    let keys = [("1", one.pem()), ("2", two.pem()), ("same", one.pem()), ("none", "hello")];
    let with = |lines: &str| read(&with_head(&format!("[[signature]]\n{lines}")), &keys);
    assert!(with("keys = [\"1\", \"2\"]\nthreshold = 2").is_ok());
    let refused = with("keys = [\"1\", \"2\"]\nthreshold = 3");
    assert_eq!(refused, Err(PolicyError::Threshold { threshold: 3, keys: 2 }));
    let refused = with("keys = [\"1\"]\nthreshold = 0");
    assert_eq!(refused, Err(PolicyError::Threshold { threshold: 0, keys: 1 }));
    assert_eq!(with("keys = []"), Err(PolicyError::Threshold { threshold: 1, keys: 0 }));
    let refused = with("keys = [\"1\", \"2\", \"same\"]\nthreshold = 2");
    assert_eq!(refused, Err(PolicyError::SameKey("same".to_owned())));
    let error = KeyError::Malformed;
    let refused = with("keys = [\"none\"]");
    assert_eq!(refused, Err(PolicyError::Key { file: "none".to_owned(), error }));
}
