//! `gapferry policy check`: reads a policy and says what it demands.

use std::path::PathBuf;

use serde_json::json;

use super::super::context::Context;
use super::super::failure::Failure;
use super::super::output::{count, escaped};
use crate::policy::{Policy, RecordField, RecordRule, Rule, ScanRule, SignatureRule};

const EXAMPLES: &str = "\
EXAMPLES:
  gapferry policy check site.toml
  For scripts:
    gapferry policy check site.toml --output json";

/// Read a policy with the keys that it names, and say what it demands
#[derive(Debug, clap::Args)]
#[command(after_help = EXAMPLES)]
pub struct Args {
    /// The policy (TOML)
    #[arg(value_name = "POLICY")]
    policy: PathBuf,
}

/// Does it.
///
/// # Errors
/// When the policy cannot be read, or makes no sense.
pub fn run(args: Args, context: &Context) -> Result<(), Failure> {
    let demands = explained(&super::read(&args.policy)?.0);
    match context.json() {
        true => context.print_json(&json!({
            "policy": args.policy.to_string_lossy(), "demands": demands,
        })),
        false => {
            let lines = demands.iter().map(|line| format!("{}\n", escaped(line)));
            context.print(&lines.collect::<String>())
        }
    }
}

/// One sentence a demand.
fn explained(policy: &Policy) -> Vec<String> {
    let mut lines = Vec::new();
    if let Some(places) = &policy.allow {
        lines.push(match places.is_empty() {
            true => "images may come from nowhere".to_owned(),
            false => format!("images may come from {}", list(places)),
        });
    }
    if !policy.block.is_empty() {
        lines.push(format!("blocked: {}", count(policy.block.len(), "digest")));
    }
    for rule in &policy.rules {
        let demands = of_rule(rule);
        lines.extend(demands.iter().map(|demand| format!("{}: {demand}", rule.pattern)));
    }
    lines.extend(policy.signatures.iter().map(of_signature));
    lines.extend(policy.record.iter().flat_map(of_record));
    lines
}

fn of_rule(rule: &Rule) -> Vec<String> {
    let mut lines = Vec::new();
    if rule.require_digest {
        lines.push("asked for by digest, or exported from a lock".to_owned());
    }
    if !rule.platforms.is_empty() {
        lines.push(format!("aboard for {}", list(&rule.platforms)));
    }
    lines.extend(rule.require.iter().map(|kind| format!("with {}", kind.name())));
    lines.extend(rule.scan.as_ref().map(of_scan));
    lines.extend(rule.max_age_days.map(|days| format!("made at most {} ago", count(days, "day"))));
    lines.extend(rule.max_bytes.map(|bytes| format!("at most {}", count(bytes, "byte"))));
    lines
}

fn of_scan(scan: &ScanRule) -> String {
    let age = scan.max_age_days.map(|days| format!(", made at most {} ago", count(days, "day")));
    format!("with a scan result ({}){}", list(&scan.types), age.unwrap_or_default())
}

fn of_record(rule: &RecordRule) -> Vec<String> {
    let says = |field: &RecordField| format!("the transfer record says {}", field.name());
    let mut lines: Vec<String> = rule.require.iter().map(says).collect();
    if rule.approver_differs {
        lines.push("one person prepared the transfer, and another approved it".to_owned());
    }
    lines
}

fn of_signature(rule: &SignatureRule) -> String {
    let SignatureRule { pattern, keys, threshold } = rule;
    let files: Vec<&str> = keys.iter().map(|(file, _)| file.as_str()).collect();
    format!("{pattern}: signed with cosign by {threshold} of {}", list(&files))
}

fn list(items: &[impl ToString]) -> String {
    items.iter().map(ToString::to_string).collect::<Vec<_>>().join(", ")
}
