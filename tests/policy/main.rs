//! Policies in front of real images: locked, exported, verified and imported with the real binary.

mod deltas;
mod images;
mod rules;
mod signatures;
#[path = "../support/mod.rs"]
mod support;

use serde_json::Value;

use support::command::Work;

/// What every import of these tests trusts.
const TRUST: &str = "--trust release.key.pub";
/// The image of most tests.
const APP: &str = "registry.example/team/app:1";

/// A policy file of these lines.
fn write_policy(work: &Work, lines: &str) {
    work.write("site.toml", format!("gapferry = \"policy v1\"\n{lines}"));
}

/// The findings with which `line` fails as one that a policy refuses, in both forms.
fn findings(work: &Work, line: &str) -> Vec<Value> {
    let output = work.run(&format!("{line} --output json"));
    let errors = String::from_utf8(output.stderr).unwrap();
    assert_eq!(output.status.code(), Some(4), "{line}: {errors}");
    assert_eq!(output.stdout, b"", "{line}");
    let [list, last] = errors.lines().collect::<Vec<_>>()[..] else { panic!("{line}: {errors}") };
    let failure: Value = serde_json::from_str(last).unwrap();
    assert_eq!((failure["code"].as_str(), failure["exit"].as_i64()), (Some("policy"), Some(4)));
    let list: Vec<Value> = serde_json::from_str(list).unwrap();

    let plain = work.run(line);
    assert_eq!(plain.status.code(), Some(4));
    let errors = String::from_utf8(plain.stderr).unwrap();
    let lines: Vec<&str> = errors.lines().filter_map(|it| it.strip_prefix("policy: ")).collect();
    let of = |it: &Value| {
        format!("{}: {}", it["image"].as_str().unwrap(), it["message"].as_str().unwrap())
    };
    assert_eq!(lines, list.iter().map(of).collect::<Vec<_>>());
    assert!(errors.contains(&format!("error: the policy is not met: {}", list.len())), "{errors}");
    list
}

/// Their codes.
fn codes(findings: &[Value]) -> Vec<&str> {
    findings.iter().map(|finding| finding["code"].as_str().unwrap()).collect()
}
