//! `gapferry serve`: a read-only registry straight from a bundle.

use std::collections::BTreeSet;
use std::net::{IpAddr, SocketAddr};
use std::path::{Path, PathBuf};

use serde_json::json;

use super::bundles::{self, TrustArgs};
use super::context::Context;
use super::failure::{Exit, Failure};
use super::input;
use super::output::count;
use super::policy::{Aboard, PolicyArgs};
use crate::files;
use crate::layout::Layout;
use crate::oci::Digest;
use crate::serve::{Blocks, Options, Server, Stock, Tls, Users};
use crate::verify::{self, Restore, Site, VerifiedBundle};

const EXAMPLES: &str = "\
EXAMPLES:
  From a stick, for this machine:
    gapferry serve /media/stick/bundle --trust release.key.pub
    podman pull --tls-verify=false 127.0.0.1:5000/library/busybox:1.35
  A delta with the bundle that it builds upon:
    gapferry serve /media/june.tar /media/july.tar --trust release.key.pub
  For a network, with a certificate of its own and users:
    gapferry serve bundle --trust release.key.pub --listen 10.0.0.5:5000 \\
      --tls-self-signed serve.crt --htpasswd users
  What was imported to a layout:
    gapferry serve oci:/srv/images";

/// The largest file of certificates, keys or users, in bytes.
const MAX_FILE: u64 = 1024 * 1024;

/// Serve images read-only, as a registry, straight from a bundle
///
/// The bundle is verified before the server listens; every block of every blob is proven before it is
/// sent. Nothing is written to the medium, and what this site remembers of its imports is not changed.
/// Images are found by their path (`/library/busybox`), by host and path
/// (`/docker.io/library/busybox`), and by what mirrors ask for (`?ns=docker.io`).
#[derive(Debug, clap::Args)]
#[command(after_help = EXAMPLES)]
pub struct Args {
    /// A bundle: a directory, an archive, or several places that together hold one; several bundles, of
    /// which some build upon others; or a layout: oci:DIR
    #[arg(value_name = "BUNDLE", required = true)]
    places: Vec<PathBuf>,
    /// Where to listen; port 0 takes any that is free
    #[arg(long, value_name = "ADDR:PORT", default_value = "127.0.0.1:5000")]
    listen: SocketAddr,
    /// Take a bundle that is older than what was imported here
    #[arg(long)]
    restore: bool,
    #[command(flatten)]
    cache: CacheArgs,
    #[command(flatten)]
    access: AccessArgs,
    #[command(flatten)]
    trust: TrustArgs,
    #[command(flatten)]
    policy: PolicyArgs,
}

/// Where made layers are kept.
#[derive(Debug, clap::Args)]
#[command(next_help_heading = "Cache")]
struct CacheArgs {
    /// How much of packed layers to keep, once it is made, for those who ask next
    #[arg(long, value_name = "SIZE", default_value = "256MiB", value_parser = bundles::size)]
    cache_size: u64,
    /// Keep it in a file without a name in this directory, not in memory
    #[arg(long, value_name = "DIR")]
    cache: Option<PathBuf>,
}

/// Who may ask, and how.
#[derive(Debug, clap::Args)]
#[command(next_help_heading = "Access")]
struct AccessArgs {
    /// Speak TLS with this certificate, and those above it (PEM)
    #[arg(long, value_name = "FILE", requires = "tls_key")]
    tls_cert: Option<PathBuf>,
    /// The key of the certificate (PEM)
    #[arg(long, value_name = "FILE", requires = "tls_cert")]
    tls_key: Option<PathBuf>,
    /// Speak TLS with a new certificate that signs itself; it is written here, for clients to trust
    #[arg(long, value_name = "FILE", conflicts_with = "tls_cert")]
    tls_self_signed: Option<PathBuf>,
    /// A name or address for that certificate, beside the one of --listen (repeatable)
    #[arg(long, value_name = "NAME", requires = "tls_self_signed")]
    tls_name: Vec<String>,
    /// Only these users may ask: lines of `htpasswd -B`
    #[arg(long, value_name = "FILE", conflicts_with = "user")]
    htpasswd: Option<PathBuf>,
    /// Only this user may ask
    #[arg(long, value_name = "NAME", requires = "password_file")]
    user: Option<String>,
    /// The file whose first line is the user's password
    #[arg(long, value_name = "FILE", requires = "user")]
    password_file: Option<PathBuf>,
    /// Let passwords cross the network without TLS
    #[arg(long)]
    insecure_auth: bool,
}

/// Does it, until SIGTERM or SIGINT.
///
/// # Errors
/// Whatever is wrong with the bundles, the certificate or the users; when it cannot listen.
pub fn run(args: Args, context: &Context) -> Result<(), Failure> {
    let users = args.access.users(args.listen.ip())?;
    let tls = args.access.tls(args.listen.ip())?;
    let (stock, seals) = args.stock(context)?;
    let certificate = tls.as_ref().map(Tls::fingerprint);
    if let (Some(path), Some(tls)) = (&args.access.tls_self_signed, &tls) {
        files::write_atomic(path, tls.certificate().as_bytes())?;
    }
    let images = stock.images();
    let options = Options { addr: args.listen, tls, users, progress: context.shared_progress() };
    let server = Server::start(stock, options)?;
    let failed = |error| Failure::new(Exit::Failed, "serve", format!("cannot wait: {error}"));
    // Caught before anybody hears that it is ready.
    let signals = server.catch_signals().map_err(failed)?;
    let scheme = if certificate.is_some() { "https" } else { "http" };
    let address = format!("{scheme}://{}", server.addr());
    match context.json() {
        true => context.print_json(&json!({
            "address": address,
            "images": images,
            "seals": seals,
            "certificate": certificate,
        }))?,
        false => {
            let certificate = certificate.map(|hex| format!("certificate sha256:{hex}\n"));
            let seals: String = seals.iter().map(|seal| format!("seal {seal}\n")).collect();
            context.print(&format!(
                "serving {} at {address}\n{}{seals}",
                count(images, "image"),
                certificate.unwrap_or_default()
            ))?;
        }
    }
    server.wait(signals);
    server.stop();
    Ok(())
}

impl Args {
    /// What is to be served, and the digests of the seals.
    fn stock(&self, context: &Context) -> Result<(Stock, Vec<Digest>), Failure> {
        let layout = |place: &PathBuf| Some(place.to_str()?.strip_prefix("oci:")?.to_owned());
        match (self.places.iter().find_map(layout), self.places.len()) {
            (Some(path), 1) => Ok((Stock::layout(Layout::open(Path::new(&path))?)?, Vec::new())),
            (Some(_), _) => {
                let message = "a layout is served by itself";
                Err(Failure::new(Exit::Usage, "usage", message).hint("start a server for each"))
            }
            (None, _) => {
                let bundles = self.verified(context)?;
                let seals = bundles.iter().map(|bundle| bundle.get().seal_digest()).collect();
                Ok((Stock::bundles(bundles, self.cache.blocks()?)?, seals))
            }
        }
    }

    /// Every bundle, verified as `verify` does. What another one builds upon may be older than what
    /// was imported here; that one's signatures vouch for it.
    fn verified(&self, context: &Context) -> Result<Vec<VerifiedBundle>, Failure> {
        let gate = self.policy.gate(1, context)?;
        let memory = self.trust.state.memory(context)?;
        let strict = Site { memory, ..self.trust.site(context)? };
        let lenient = Site { restore: Restore::Look, ..strict.clone() };
        let groups = grouped(&self.places);
        let verify = |site| {
            let verified = groups.iter().map(|places| self.trust.verify_at(places, site, context));
            verified.collect::<Result<Vec<_>, Failure>>()
        };
        let bundles = match (&groups[..], self.restore) {
            ([_], false) => verify(&strict)?,
            _ => verify(&lenient)?,
        };
        let required: BTreeSet<Digest> =
            bundles.iter().flat_map(|bundle| bundle.get().seal().requires.clone()).collect();
        for (places, bundle) in groups.iter().zip(&bundles) {
            if groups.len() > 1 && !self.restore && !required.contains(&bundle.get().seal_digest())
            {
                self.trust.verify_at(places, &strict, context)?;
            }
            gate.aboard(bundle.get().images(), &Aboard::new(bundle.get()))?;
        }
        Ok(bundles)
    }
}

/// The places of each bundle: those with the same seal, and those without one with the place before
/// them. Nothing is believed here; each group is verified as one bundle.
fn grouped(places: &[PathBuf]) -> Vec<Vec<PathBuf>> {
    let mut groups: Vec<(Option<Digest>, Vec<PathBuf>)> = Vec::new();
    for place in places {
        let seal = verify::seal(place).ok().map(|(digest, _)| digest);
        let known = groups.iter().position(|(of, _)| seal.is_some() && *of == seal);
        let last = groups.len().checked_sub(1).filter(|_| seal.is_none());
        match known.or(last) {
            Some(at) => groups[at].1.push(place.clone()),
            None => groups.push((seal, vec![place.clone()])),
        }
    }
    // Volumes may have been named before the place that has the seal.
    if let [(None, first), (Some(_), second), ..] = &mut groups[..] {
        second.append(first);
        groups.remove(0);
    }
    groups.into_iter().map(|(_, places)| places).collect()
}

impl CacheArgs {
    fn blocks(&self) -> Result<Blocks, Failure> {
        Ok(match &self.cache {
            None => Blocks::in_memory(self.cache_size),
            Some(directory) => Blocks::in_directory(directory, self.cache_size)?,
        })
    }
}

impl AccessArgs {
    fn tls(&self, listen: IpAddr) -> Result<Option<Tls>, Failure> {
        let tls = match (&self.tls_cert, &self.tls_key, &self.tls_self_signed) {
            (Some(certificate), Some(key), _) => {
                Tls::given(&input::read(certificate, MAX_FILE)?, &input::read(key, MAX_FILE)?)
                    .map_err(|error| Failure::from(error).at(certificate.display()))?
            }
            (_, _, Some(_)) => Tls::own(self.names(listen))?,
            _ => return Ok(None),
        };
        Ok(Some(tls))
    }

    /// What clients on this machine or elsewhere may call the server.
    fn names(&self, listen: IpAddr) -> Vec<String> {
        let own = match listen.is_loopback() || listen.is_unspecified() {
            true => vec!["localhost".to_owned(), "127.0.0.1".to_owned(), "::1".to_owned()],
            false => vec![listen.to_string()],
        };
        own.into_iter().chain(self.tls_name.iter().cloned()).collect()
    }

    fn users(&self, listen: IpAddr) -> Result<Option<Users>, Failure> {
        let users = match (&self.htpasswd, &self.user, &self.password_file) {
            (Some(path), ..) => {
                let bytes = input::read(path, MAX_FILE)?;
                let users = Users::htpasswd(&String::from_utf8_lossy(&bytes));
                users.map_err(|error| Failure::from(error).at(path.display()))?
            }
            (None, Some(user), Some(path)) => Users::single(user, &input::secret_text(path)?),
            _ => return Ok(None),
        };
        let plain = self.tls_cert.is_none() && self.tls_self_signed.is_none();
        if plain && !listen.is_loopback() && !self.insecure_auth {
            let message = "passwords would cross the network without TLS";
            let failure = Failure::new(Exit::Usage, "auth-without-tls", message);
            return Err(failure.hint(
                "give --tls-self-signed FILE, or --tls-cert and --tls-key; or --insecure-auth if \
                 that is meant",
            ));
        }
        Ok(Some(users))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::bundle::Packaging;
    use crate::tests::Maker;

    #[test]
    fn places_of_one_seal_are_one_bundle() {
        let maker = Maker::new();
        let image = maker.image("a/b:1", &[vec![7; 10_000]]);
        maker.export(&[image], "one", Packaging::Directory).unwrap();
        let other = maker.image("a/b:2", &[vec![8; 10_000]]);
        maker.export(&[other], "two", Packaging::Volumes { limit: 1 << 20 }).unwrap();
        let [one, two] = ["one", "two"].map(|name| maker.path(name));
        let volume = maker.path("two/volume-0001.tar");
        let group = |places: &[&PathBuf]| {
            grouped(&places.iter().map(|it| (*it).clone()).collect::<Vec<_>>())
        };
        assert_eq!(group(&[&one, &two]), [vec![one.clone()], vec![two.clone()]]);
        assert_eq!(group(&[&one, &one]), [vec![one.clone(), one.clone()]]);
        let seal = maker.path("two/seal");
        assert_eq!(group(&[&volume, &seal]), [vec![seal.clone(), volume.clone()]]);
        assert_eq!(group(&[&seal, &volume, &one]), [vec![seal, volume], vec![one]]);
    }
}
