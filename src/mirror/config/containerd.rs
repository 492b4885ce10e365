//! `certs.d/<host>/hosts.toml`: hosts in the order of the file, then `server`, else the host itself.

use std::collections::BTreeMap;

use serde::Deserialize;
use toml::Spanned;

use super::{Ask, ConfigError, Wanted, endpoint, place};

/// The files by the names of their directories.
#[derive(Debug)]
pub struct Hosts(BTreeMap<String, HostsToml>);

#[derive(Debug, Deserialize)]
struct HostsToml {
    server: Option<String>,
    #[serde(flatten)]
    of_server: Manner,
    #[serde(default)]
    host: BTreeMap<Spanned<String>, Manner>,
}

#[derive(Debug, Deserialize)]
struct Manner {
    capabilities: Option<Vec<String>>,
    #[serde(default)]
    override_path: bool,
    #[serde(default)]
    skip_verify: bool,
}

impl Hosts {
    pub(super) fn parse(texts: &[(usize, &str, &str)]) -> Result<Hosts, (usize, ConfigError)> {
        let read = |(at, directory, text): &(usize, &str, &str)| {
            let file: HostsToml =
                toml::from_str(text).map_err(|error| (*at, ConfigError::new(error.message())))?;
            let urls = file.host.keys().map(|url| url.get_ref()).chain(&file.server);
            for url in urls.filter(|url| !url.is_empty()) {
                let wrong = || (*at, ConfigError::new(format!("not an endpoint: {url}")));
                endpoint(url).ok_or_else(wrong)?;
            }
            Ok(((*directory).to_owned(), file))
        };
        texts.iter().map(read).collect::<Result<_, _>>().map(Hosts)
    }

    /// `host_port_` counts before `host:port`, and `_default` for all that have none.
    fn find(&self, host: &str) -> Option<&HostsToml> {
        let with_port = host.rsplit_once(':').map(|(host, port)| format!("{host}_{port}_"));
        let names = with_port.iter().map(String::as_str).chain([host, "_default"]);
        names.filter_map(|name| self.0.get(name)).next()
    }

    pub(super) fn asks(&self, wanted: &Wanted<'_>) -> Vec<Ask> {
        let Some(file) = self.find(wanted.repository.host()) else {
            return vec![wanted.ask_as_it_is(false)];
        };
        let mut hosts: Vec<_> = file.host.iter().collect();
        hosts.sort_by_key(|(url, _)| url.span().start);
        let mut asks: Vec<Ask> = hosts
            .into_iter()
            .filter_map(|(url, manner)| manner.ask(url.get_ref(), wanted))
            .collect();
        match file.server.as_deref().filter(|server| !server.is_empty()) {
            // Docker Hub is served under another name.
            Some("https://registry-1.docker.io") if wanted.repository.host() == "docker.io" => {
                asks.push(wanted.ask_as_it_is(false));
            }
            Some(server) => asks.extend(file.of_server.ask(server, wanted)),
            None => asks.push(wanted.ask_as_it_is(false)),
        }
        asks
    }
}

impl Manner {
    /// The place below `url`, unless it is not to be asked for this.
    fn ask(&self, url: &str, wanted: &Wanted<'_>) -> Option<Ask> {
        let needed = if wanted.digest.is_some() { "pull" } else { "resolve" };
        let can = |all: &Vec<String>| all.iter().any(|one| one == needed);
        if !self.capabilities.as_ref().is_none_or(can) {
            return None;
        }
        let (plain, host, path) = endpoint(url)?;
        let base = match self.override_path || path.ends_with("/v2") {
            true => path.to_owned(),
            false => format!("{path}/v2"),
        };
        let at = place(host, &base, wanted.repository.path());
        Some(wanted.ask(&at, plain || self.skip_verify))
    }
}
