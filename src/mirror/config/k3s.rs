//! `registries.yaml` of k3s and RKE2: endpoints with rewrites, then the host itself.

use std::collections::BTreeMap;

use regex::{Regex, RegexBuilder};

use super::{Ask, ConfigError, Wanted, endpoint, place};
use crate::yaml::{self, At, Shape};

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

impl Mirrors {
    pub(super) fn parse(texts: &[(usize, &str, &str)]) -> Result<Mirrors, (usize, ConfigError)> {
        let mut all = BTreeMap::new();
        for (at, _, text) in texts {
            let wrong = |what: String| (*at, ConfigError::new(what));
            let documents = yaml::parse(text.as_bytes());
            let documents =
                documents.map_err(|(line, error)| wrong(format!("line {line}: {error}")))?;
            for document in documents.iter().filter(|document| !document.is_null()) {
                let shape = |shape: Shape| wrong(shape.to_string());
                for (host, mirror) in At::root(document).entries_of("mirrors").map_err(shape)? {
                    all.insert(host.to_owned(), read(&mirror).map_err(shape)?);
                }
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

fn read(mirror: &At<'_>) -> Result<Mirror, Shape> {
    let mut endpoints = Vec::new();
    for at in mirror.list_of("endpoint")? {
        let url = at.text()?;
        endpoint(url).ok_or_else(|| at.wrong("not an endpoint"))?;
        endpoints.push(url.to_owned());
    }
    let rewrites = mirror.entries_of("rewrite")?;
    if rewrites.len() > MAX_REWRITES {
        return Err(mirror.wrong(format!("more than {MAX_REWRITES} rewrites")));
    }
    let compile = |(from, to): (&str, At<'_>)| {
        let built = RegexBuilder::new(from).size_limit(MAX_COMPILED).build();
        let built = built.map_err(|_| to.wrong(format!("not a regular expression: {from}")))?;
        Ok((built, to.text()?.to_owned()))
    };
    let rewrites = rewrites.into_iter().map(compile).collect::<Result<_, Shape>>()?;
    Ok(Mirror { endpoints, rewrites })
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
