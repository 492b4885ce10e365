//! What an SBOM or a scan result says, in a few numbers: packages, licences, findings by severity.
//!
//! The bytes are proven, but anybody may have made them. Withstands: what is not JSON, or has two
//! readings; documents that nest statements in statements (two deep at most); any number of licences
//! and severities (200 of each are told apart); words with control characters, or of any length; numbers
//! that overflow. It says what the document says, and nothing about whether that is true. Source: SPDX
//! 2.2 and 2.3, CycloneDX 1.4 to 1.6, SARIF 2.1.0, in-toto statements in DSSE envelopes, cosign's
//! vulnerability attestation, the JSON of Trivy and Grype.

use std::collections::BTreeMap;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD as BASE64;
use serde_json::Value;

use crate::bundle::AttachedKind;
use crate::oci::json;

/// How many words are told apart.
const MAX_WORDS: usize = 200;
const OTHERS: &str = "(others)";

/// Words, and how often each is there.
pub(super) type Counts = BTreeMap<String, u64>;

/// What a document says.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Summary {
    pub(super) kind: AttachedKind,
    pub(super) packages: Option<u64>,
    pub(super) licences: Counts,
    pub(super) findings: Option<Counts>,
}

/// Sums up a document; `None` when it is none that is known.
pub(super) fn summary(bytes: &[u8]) -> Option<Summary> {
    of_value(&json::parse(bytes).ok()?, 0)
}

fn of_value(value: &Value, depth: u8) -> Option<Summary> {
    let has = |field: &str| value.get(field).is_some();
    if has("payloadType") && has("payload") && depth == 0 {
        let payload = BASE64.decode(value["payload"].as_str()?).ok()?;
        return of_value(&json::parse(&payload).ok()?, 1);
    }
    if has("predicateType") && depth < 2 {
        let predicate = value.get("predicate")?;
        // cosign's vulnerability attestation has the scanner's own words inside; older ones of cosign
        // have an SBOM below `Data`.
        let inner = predicate.pointer("/scanner/result").or_else(|| predicate.get("Data"));
        return of_value(inner.unwrap_or(predicate), 2);
    }
    match value {
        _ if has("spdxVersion") => Some(spdx(value)),
        _ if value["bomFormat"] == "CycloneDX" => Some(cyclonedx(value)),
        _ if has("runs") && value["version"] == "2.1.0" => Some(sarif(value)),
        _ if has("SchemaVersion") && has("Results") => Some(trivy(value)),
        _ if value["matches"].is_array() && has("descriptor") => Some(grype(value)),
        _ => None,
    }
}

/// The items of a list; none when it is no list.
fn list<'v>(value: &'v Value, field: &str) -> impl Iterator<Item = &'v Value> {
    value.get(field).and_then(Value::as_array).into_iter().flatten()
}

/// Counts words; of those that are too many, too long or odd it only counts how many.
fn counts<'v>(words: impl Iterator<Item = &'v str>) -> Counts {
    let mut counts = Counts::new();
    for word in words {
        let plain = !word.is_empty() && word.len() <= 100 && !word.contains(char::is_control);
        let known = counts.contains_key(word) || counts.len() < MAX_WORDS;
        let word = if plain && known { word } else { OTHERS };
        *counts.entry(word.to_owned()).or_default() += 1;
    }
    counts
}

fn severities<'v>(words: impl Iterator<Item = Option<&'v str>>) -> Option<Counts> {
    let words: Vec<String> =
        words.map(|word| word.unwrap_or("unknown").to_ascii_uppercase()).collect();
    Some(counts(words.iter().map(String::as_str)))
}

fn spdx(value: &Value) -> Summary {
    let licence = |package: &'_ Value, field: &str| {
        let text = package.get(field).and_then(Value::as_str);
        text.filter(|text| *text != "NOASSERTION" && *text != "NONE").map(str::to_owned)
    };
    let licences: Vec<String> = list(value, "packages")
        .map(|it| licence(it, "licenseConcluded").or_else(|| licence(it, "licenseDeclared")))
        .map(|licence| licence.unwrap_or_else(|| "NOASSERTION".to_owned()))
        .collect();
    Summary {
        kind: AttachedKind::Spdx,
        packages: Some(licences.len() as u64),
        licences: counts(licences.iter().map(String::as_str)),
        findings: None,
    }
}

fn cyclonedx(value: &Value) -> Summary {
    let name = |licence: &'_ Value| {
        let licence = licence.get("expression").or_else(|| {
            let licence = licence.get("license")?;
            licence.get("id").or_else(|| licence.get("name"))
        });
        licence.and_then(Value::as_str).unwrap_or("").to_owned()
    };
    let licence = |component: &Value| {
        let names: Vec<String> = list(component, "licenses").map(name).collect();
        if names.is_empty() { "NOASSERTION".to_owned() } else { names.join(" AND ") }
    };
    let licences: Vec<String> = list(value, "components").map(licence).collect();
    let order = ["CRITICAL", "HIGH", "MEDIUM", "LOW", "INFO", "NONE", "UNKNOWN"];
    let worst = |finding: &Value| {
        let ratings = list(finding, "ratings").filter_map(|it| it.get("severity")?.as_str());
        let rank = |word: &str| order.iter().position(|it| it.eq_ignore_ascii_case(word));
        ratings.filter_map(rank).min().map(|rank| order[rank])
    };
    let findings = value.get("vulnerabilities").is_some();
    Summary {
        kind: AttachedKind::Cyclonedx,
        packages: Some(licences.len() as u64),
        licences: counts(licences.iter().map(String::as_str)),
        findings: severities(list(value, "vulnerabilities").map(worst)).filter(|_| findings),
    }
}

fn only(kind: AttachedKind, findings: Option<Counts>) -> Summary {
    Summary { kind, packages: None, licences: Counts::new(), findings }
}

fn sarif(value: &Value) -> Summary {
    let results = list(value, "runs").flat_map(|run| list(run, "results"));
    // What states no level is a warning, says the standard.
    let levels = results.map(|it| it.get("level").map_or(Some("warning"), Value::as_str));
    only(AttachedKind::Sarif, severities(levels))
}

fn trivy(value: &Value) -> Summary {
    let found = list(value, "Results").flat_map(|it| list(it, "Vulnerabilities"));
    let words = found.map(|it| it.get("Severity").and_then(Value::as_str));
    only(AttachedKind::Trivy, severities(words))
}

fn grype(value: &Value) -> Summary {
    let words = list(value, "matches").map(|it| it.pointer("/vulnerability/severity")?.as_str());
    only(AttachedKind::Grype, severities(words))
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn read(value: &Value) -> Option<Summary> {
        summary(value.to_string().as_bytes())
    }

    fn counted(words: &[(&str, u64)]) -> Counts {
        words.iter().map(|(word, count)| ((*word).to_owned(), *count)).collect()
    }

    #[test]
    fn sboms_have_packages_and_licences() {
        let spdx = json!({"spdxVersion": "SPDX-2.3", "packages": [
            {"licenseConcluded": "NOASSERTION", "licenseDeclared": "MIT"},
            {"licenseConcluded": "Apache-2.0"}, {"licenseDeclared": "NONE"}, 7,
        ]});
        let read_spdx = read(&spdx).unwrap();
        assert_eq!((read_spdx.kind, read_spdx.packages), (AttachedKind::Spdx, Some(4)));
        let licences = counted(&[("MIT", 1), ("Apache-2.0", 1), ("NOASSERTION", 2)]);
        assert_eq!((&read_spdx.licences, &read_spdx.findings), (&licences, &None));
        let cyclonedx = json!({"bomFormat": "CycloneDX", "components": [
            {"licenses": [{"license": {"id": "MIT"}}, {"license": {"name": "Own"}}]},
            {"licenses": [{"expression": "MIT OR BSD-2-Clause"}]}, {},
        ], "vulnerabilities": [
            {"ratings": [{"severity": "low"}, {"severity": "critical"}]}, {"ratings": []},
        ]});
        let found = read(&cyclonedx).unwrap();
        let licences = [("MIT AND Own", 1), ("MIT OR BSD-2-Clause", 1), ("NOASSERTION", 1)];
        assert_eq!(found.licences, counted(&licences));
        assert_eq!(found.findings, Some(counted(&[("CRITICAL", 1), ("UNKNOWN", 1)])));
        // In a statement, in an envelope.
        let statement = json!({"predicateType": "https://spdx.dev/Document", "predicate": spdx});
        assert_eq!(read(&statement).unwrap(), read_spdx);
        let payload = BASE64.encode(statement.to_string());
        let envelope = json!({"payloadType": "application/vnd.in-toto+json", "payload": payload});
        assert_eq!(read(&envelope).unwrap(), read_spdx);
        let twice = BASE64.encode(envelope.to_string());
        assert_eq!(read(&json!({"payloadType": "x", "payload": twice})), None);
    }

    #[test]
    fn scans_have_findings() {
        let trivy = json!({"SchemaVersion": 2, "Results": [{"Vulnerabilities": [
            {"Severity": "HIGH"}, {"Severity": "HIGH"}, {},
        ]}, {}]});
        let found = Some(counted(&[("HIGH", 2), ("UNKNOWN", 1)]));
        assert_eq!(read(&trivy).unwrap().findings, found);
        let of_cosign = json!({
            "predicateType": "https://cosign.sigstore.dev/attestation/vuln/v1",
            "predicate": {"scanner": {"result": trivy}},
        });
        assert_eq!(read(&of_cosign).unwrap().findings, found);
        let grype = json!({"matches": [{"vulnerability": {"severity": "Low"}}], "descriptor": {}});
        assert_eq!(read(&grype).unwrap().findings, Some(counted(&[("LOW", 1)])));
        let sarif = json!({"version": "2.1.0", "runs": [{"results": [{"level": "error"}, {}]}]});
        let found = Some(counted(&[("ERROR", 1), ("WARNING", 1)]));
        assert_eq!(read(&sarif).unwrap().findings, found);
        // A scan that found nothing says so.
        let clean = json!({"SchemaVersion": 2, "Results": []});
        assert_eq!(read(&clean).unwrap().findings, Some(Counts::new()));
    }

    #[test]
    fn nothing_odd_comes_through() {
        let packages: Vec<Value> =
            (0..500).map(|it| json!({"licenseDeclared": format!("L{it}")})).collect();
        let many = read(&json!({"spdxVersion": "x", "packages": packages})).unwrap();
        assert_eq!((many.licences.len(), many.licences[OTHERS]), (MAX_WORDS + 1, 300));
        let odd = json!([{"licenseDeclared": "a\u{1b}"}, {"licenseDeclared": "x".repeat(101)}]);
        let odd = read(&json!({"spdxVersion": "x", "packages": odd})).unwrap();
        assert_eq!(odd.licences, counted(&[(OTHERS, 2)]));
        for nothing in [json!(null), json!([]), json!({"a": 1}), json!({"payload": "x"})] {
            assert_eq!(read(&nothing), None);
        }
        assert_eq!(summary(br#"{"spdxVersion":"a","spdxVersion":"b"}"#), None);
        assert_eq!(summary(b"\xff"), None);
    }
}
