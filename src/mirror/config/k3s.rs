//! `registries.yaml` of k3s and RKE2: endpoints with rewrites, then the host itself.

use std::collections::BTreeMap;

use regex::{Regex, RegexBuilder};
use serde::Deserialize;

use super::{Ask, ConfigError, Wanted, endpoint, place};

/// The most memory that a compiled expression may take, in bytes.
const MAX_COMPILED: usize = 1024 * 1024;
/// The most expressions.
const MAX_REWRITES: usize = 10_000;

/// The mirrors by their hosts.
#[derive(Debug)]
pub struct Mirrors(BTreeMap<String, Mirror>);

#[derive(Debug)]
struct Mirror {
    endpoints: Vec<String>,
    rewrites: Vec<(Regex, String)>,
}

#[derive(Deserialize)]
struct File {
    #[serde(default)]
    mirrors: Option<BTreeMap<String, RawMirror>>,
}

#[derive(Deserialize)]
struct RawMirror {
    #[serde(default)]
    endpoint: Vec<String>,
    #[serde(default)]
    rewrite: BTreeMap<String, String>,
}

impl Mirrors {
    pub(super) fn parse(texts: &[(usize, &str, &str)]) -> Result<Mirrors, (usize, ConfigError)> {
        let mut all = BTreeMap::new();
        for (at, _, text) in texts {
            let wrong = |what: String| (*at, ConfigError::new(what));
            let file: File = serde_saphyr::from_str(text).map_err(|error| {
                wrong(error.to_string().lines().next().unwrap_or_default().to_owned())
            })?;
            for (host, raw) in file.mirrors.into_iter().flatten() {
                all.insert(host, read(raw).map_err(wrong)?);
            }
        }
        Ok(Mirrors(all))
    }

    pub(super) fn asks(&self, wanted: &Wanted<'_>) -> Vec<Ask> {
        let mut asks = Vec::new();
        let host = wanted.repository.host();
        if let Some(mirror) = self.0.get(host).or_else(|| self.0.get("*")) {
            let path = mirror.path(wanted.repository.path());
            for url in &mirror.endpoints {
                let Some((plain, host, base)) = endpoint(url) else { continue };
                let base = if base.is_empty() { "/v2" } else { base };
                asks.push(wanted.ask(&place(host, base, &path), plain));
            }
        }
        asks.push(wanted.ask_as_it_is(false));
        asks
    }
}

fn read(raw: RawMirror) -> Result<Mirror, String> {
    if let Some(url) = raw.endpoint.iter().find(|url| endpoint(url).is_none()) {
        return Err(format!("not an endpoint: {url}"));
    }
    if raw.rewrite.len() > MAX_REWRITES {
        return Err(format!("more than {MAX_REWRITES} rewrites"));
    }
    let compile = |(from, to): (String, String)| {
        let built = RegexBuilder::new(&from).size_limit(MAX_COMPILED).build();
        built.map(|built| (built, to)).map_err(|_| format!("not a regular expression: {from}"))
    };
    let rewrites = raw.rewrite.into_iter().map(compile).collect::<Result<_, _>>()?;
    Ok(Mirror { endpoints: raw.endpoint, rewrites })
}

impl Mirror {
    /// The path that is asked for. k3s asks its expressions in no order, so where two of them make two
    /// paths nobody knows which it is: both are named, and neither is a name.
    fn path(&self, path: &str) -> String {
        let changed =
            self.rewrites.iter().map(|(from, to)| from.replace_all(path, to).into_owned());
        let mut changed: Vec<String> = changed.filter(|changed| changed != path).collect();
        changed.dedup();
        match changed.is_empty() {
            true => path.to_owned(),
            false => changed.join(" or "),
        }
    }
}
