//! containerd's `certs.d/<host>/hosts.toml` (containerd, docs/hosts.md).
//!
//! One file a host, and all that it can change is what stands before the path: so it says either
//! where all of a host is, or nothing. Tags stay what they are; a registry that is asked for digests
//! alone lacks the capability `resolve`.

use super::{File, Form, Host, Limit, Site};

impl Site<'_> {
    pub(super) fn containerd(&self, limits: &mut Vec<Limit>) -> Vec<File> {
        let mut files = Vec::new();
        for (name, host) in &self.hosts {
            if *name == self.endpoint && host.common() == Some("") {
                continue;
            }
            let Some(below) = host.common() else {
                let why =
                    "its repositories are not below one path at the site; there is no file for it";
                let name = (*name).to_owned();
                limits.push(Limit { form: Form::Containerd, name, why: why.to_owned() });
                continue;
            };
            let strangers = self.strangers(name, below).filter(|_| host.whole.is_none());
            let mut own = Vec::from_iter(Limit::wider(Form::Containerd, name, strangers));
            if host.changes_tags() {
                own.push(Limit::tags(Form::Containerd, (*name).to_owned()));
            }
            let path = format!("containerd/certs.d/{}/hosts.toml", directory(name));
            files.push(File { path, text: self.head(&own) + &self.hosts_toml(name, host, below) });
            limits.extend(own);
        }
        files
    }

    fn hosts_toml(&self, name: &str, host: &Host<'_>, below: &str) -> String {
        let root = format!("{}://{}", self.scheme(), self.endpoint);
        let (url, overrides) = match below {
            "" => (root, ""),
            below => (format!("{root}/v2/{below}"), "override_path = true\n"),
        };
        let capabilities = match host.changes_tags() {
            true => "capabilities = [\"pull\"]\n",
            false => "capabilities = [\"pull\", \"resolve\"]\n",
        };
        let server = match self.manner.fallback {
            true => format!("server = \"https://{}\"\n", server_of(name)),
            false => format!("server = \"{url}\"\n{capabilities}{overrides}"),
        };
        format!("\n{server}\n[host.\"{url}\"]\n{capabilities}{overrides}")
    }
}

/// Where the images of a host are served.
fn server_of(name: &str) -> &str {
    if name == "docker.io" { "registry-1.docker.io" } else { name }
}

/// `host:port` as containerd looks for it where a `:` cannot be in a name.
fn directory(name: &str) -> String {
    match name.rsplit_once(':') {
        Some((host, port)) if !port.ends_with(']') => format!("{host}_{port}_"),
        _ => name.to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_port_is_between_underscores() {
        assert_eq!(directory("docker.io"), "docker.io");
        assert_eq!(directory("a.example:5000"), "a.example_5000_");
        assert_eq!(directory("[::1]"), "[::1]");
        assert_eq!(directory("[::1]:5000"), "[::1]_5000_");
    }
}
