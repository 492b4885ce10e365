//! `registries.conf`, version 2, and its drop-ins: the table with the longest prefix counts; of two with
//! the same prefix that of the later file.

use std::collections::BTreeMap;

use serde::Deserialize;
use serde::de::IgnoredAny;

use super::{Ask, ConfigError, Wanted};

/// The tables by their prefixes.
#[derive(Debug)]
pub struct Registries(BTreeMap<String, Registry>);

#[derive(Deserialize)]
struct File {
    #[serde(default)]
    registry: Vec<Registry>,
    /// The tables of version 1.
    registries: Option<IgnoredAny>,
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "kebab-case")]
struct Registry {
    #[serde(default)]
    prefix: String,
    #[serde(default)]
    location: String,
    #[serde(default)]
    insecure: bool,
    #[serde(default)]
    blocked: bool,
    #[serde(default)]
    mirror_by_digest_only: bool,
    #[serde(default)]
    mirror: Vec<Mirror>,
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "kebab-case")]
struct Mirror {
    location: String,
    #[serde(default)]
    insecure: bool,
    #[serde(default)]
    pull_from_mirror: Which,
}

#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "kebab-case")]
enum Which {
    #[default]
    #[serde(alias = "")]
    All,
    DigestOnly,
    TagOnly,
}

impl Registries {
    pub(super) fn parse(texts: &[(usize, &str, &str)]) -> Result<Registries, (usize, ConfigError)> {
        let mut tables = BTreeMap::new();
        for (at, _, text) in texts {
            let file: File =
                toml::from_str(text).map_err(|error| (*at, ConfigError::new(error.message())))?;
            if file.registries.is_some() {
                return Err((
                    *at,
                    ConfigError::new("tables of version 1; write them as [[registry]]"),
                ));
            }
            for table in file.registry {
                let prefix = if table.prefix.is_empty() { &table.location } else { &table.prefix };
                if prefix.is_empty() {
                    return Err((*at, ConfigError::new("a registry without prefix and location")));
                }
                tables.insert(prefix.trim_end_matches('/').to_owned(), table);
            }
        }
        Ok(Registries(tables))
    }

    pub(super) fn asks(&self, wanted: &Wanted<'_>) -> Vec<Ask> {
        let name = wanted.repository.to_string();
        let fits =
            self.0.iter().filter_map(|(prefix, it)| Some((it, prefix, behind(prefix, &name)?)));
        let Some((table, _, rest)) = fits.max_by_key(|(_, prefix, _)| prefix.len()) else {
            return vec![wanted.ask_as_it_is(false)];
        };
        if table.blocked {
            return Vec::new();
        }
        let mut asks = Vec::new();
        for mirror in &table.mirror {
            let digest = wanted.digest.is_some();
            let asked = match mirror.pull_from_mirror {
                Which::All => digest || !table.mirror_by_digest_only,
                Which::DigestOnly => digest,
                Which::TagOnly => !digest,
            };
            if asked {
                let place = format!("{}{rest}", mirror.location.trim_end_matches('/'));
                asks.push(wanted.ask(&place, mirror.insecure));
            }
        }
        let place = match table.location.trim_end_matches('/') {
            "" => name.clone(),
            location => format!("{location}{rest}"),
        };
        asks.push(wanted.ask(&place, table.insecure));
        asks
    }
}

/// What follows `prefix` in `name`, from the border of a component on. `*.example` fits any host below
/// it.
fn behind<'a>(prefix: &str, name: &'a str) -> Option<&'a str> {
    let rest = match prefix.strip_prefix('*') {
        Some(domain) => {
            let host = &name[..name.find('/')?];
            host.ends_with(domain).then(|| &name[host.len()..])?
        }
        None => name.strip_prefix(prefix)?,
    };
    (rest.is_empty() || rest.starts_with('/')).then_some(rest)
}
