//! `gapferry demo`: the whole way once, on this machine, with the images of `testdata/`.

use std::collections::BTreeMap;
use std::io::{self, Read as _};
use std::net::{Ipv4Addr, SocketAddr};
use std::path::{Path, PathBuf};
use std::time::Instant;

use serde_json::json;

use super::bundles::timestamp;
use super::context::Context;
use super::failure::{Exit, Failure};
use super::output::{bytes, escaped, quoted};
use crate::bundle::Packaging;
use crate::export::{self, Bases, Order, PackMode};
use crate::files;
use crate::import::{self, Base, Mapping};
use crate::layout::{Layout, Store};
use crate::oci::{Descriptor, Digest, PinnedImage, Reference};
use crate::pool;
use crate::registry::{Client, Config};
use crate::select::{Lock, Options, Request, pin};
use crate::serve::Server;
use crate::source::{Location, Opener};
use crate::target::LayoutTarget;
use crate::trust::{Keyring, Scheme, SecretKey, Signer};
use crate::verify::{self, Site, VerifiedBundle};

const EXAMPLES: &str = "\
EXAMPLES:
  From a checkout:
    cargo run --release -- demo
  With other images, elsewhere:
    gapferry demo --images some/oci-layout -o /tmp/demo";

/// What the images are called in the demo: a registry that is nowhere.
const REGISTRY: &str = "registry.example";
const JOBS: usize = 4;

/// Serve, lock, export, verify and import the test images, and compare every digest
#[derive(Debug, clap::Args)]
#[command(after_help = EXAMPLES)]
pub struct Args {
    /// An OCI layout whose images are named REPOSITORY:TAG
    #[arg(long, value_name = "DIR", default_value = "testdata/images")]
    images: PathBuf,
    /// Where to write; must be empty or absent, or from an earlier demo
    #[arg(short, long, value_name = "DIR", default_value = "target/demo")]
    out: PathBuf,
}

/// Does it.
///
/// # Errors
/// When any step fails, or a digest at the end is not that at the start.
pub fn run(args: Args, context: &Context) -> Result<(), Failure> {
    let layout = Layout::open(&args.images).map_err(|error| {
        Failure::from(error).hint("run it in a checkout, or name a layout with --images")
    })?;
    let places = Places::prepare(&args.out)?;
    let names = names(&layout)?;
    let key = SecretKey::generate(Scheme::Ed25519)?;
    files::write_atomic(&places.public_key, key.public().to_text().as_bytes())?;
    let server = Server::start(layout.clone(), SocketAddr::from((Ipv4Addr::LOCALHOST, 0)))
        .map_err(|error| Failure::new(Exit::Failed, "serve", error))?;
    let opener = Opener::new(Client::new(Config {
        progress: context.shared_progress(),
        ..Config::default()
    })?);
    let mut clock = Clock::default();
    let lock = clock.time("lock", || lock(&names, server.addr(), &opener, &places))?;
    let images = lock.into_images();
    clock.time("export", || export(&images, &opener, key, &places, context))?;
    let bundle = clock.time("verify", || verify(&places, context))?;
    clock.time("import", || import(&bundle, &places, context))?;
    let compared = clock.time("compare", || compare(&images, &layout, &places))?;
    let demo = Demo { address: server.addr(), places, clock, bundle, compared };
    if context.json() { context.print_json(&demo.json()) } else { context.print(&demo.text()) }
}

/// What lies where.
struct Places {
    lock: PathBuf,
    public_key: PathBuf,
    bundle: PathBuf,
    store: PathBuf,
}

/// The file that says that a directory is a demo's and may be made anew.
const MARKER: &str = "made-by-gapferry-demo";

impl Places {
    fn prepare(out: &Path) -> Result<Places, Failure> {
        let failed = |action| move |error| files::FileError::io(action, out, error);
        if out.join(MARKER).is_file() {
            std::fs::remove_dir_all(out).map_err(failed("remove"))?;
        }
        files::create_directories(out)?;
        if std::fs::read_dir(out).map_err(failed("list"))?.next().is_some() {
            let message = format!("{} is not empty, and not from an earlier demo", out.display());
            return Err(
                Failure::new(Exit::Failed, "exists", message).hint("choose another place with -o")
            );
        }
        files::write_atomic(&out.join(MARKER), b"")?;
        Ok(Places {
            lock: out.join("images.lock"),
            public_key: out.join("release.key.pub"),
            bundle: out.join("bundle"),
            store: out.join("store"),
        })
    }
}

#[derive(Default)]
struct Clock(Vec<(&'static str, f64)>);

impl Clock {
    fn time<T>(
        &mut self,
        step: &'static str,
        work: impl FnOnce() -> Result<T, Failure>,
    ) -> Result<T, Failure> {
        let start = Instant::now();
        let result = work()?;
        self.0.push((step, start.elapsed().as_secs_f64()));
        Ok(result)
    }
}

/// The names of the layout that are images: not the tags of signatures.
fn names(layout: &Layout) -> Result<Vec<Reference>, Failure> {
    let names = layout.entries().iter().filter_map(|entry| entry.name.clone());
    let images = names.filter(|name| !name.contains(":sha256-"));
    Ok(images.map(|name| format!("{REGISTRY}/{name}").parse()).collect::<Result<_, _>>()?)
}

fn lock(
    names: &[Reference],
    at: SocketAddr,
    opener: &Opener,
    places: &Places,
) -> Result<Lock, Failure> {
    let options = Options { platforms: Vec::new(), referrers: true };
    let images = pool::run(JOBS, names, |name| {
        let there = format!("{at}{}", &name.to_string()[REGISTRY.len()..]);
        let location: Location = there.parse()?;
        let source = opener.open(&location)?.source;
        let why = "the demo".to_owned();
        let request = Request { name: name.clone(), source: location.to_string(), why };
        Ok::<_, Failure>(pin(source.as_ref(), &request, &options)?)
    })?;
    let lock = Lock::new(images)?;
    files::write_atomic(&places.lock, &lock.to_bytes())?;
    Ok(lock)
}

fn export(
    images: &[PinnedImage],
    opener: &Opener,
    key: SecretKey,
    places: &Places,
    context: &Context,
) -> Result<(), Failure> {
    let documents = export::fetch_documents(images, opener, None, JOBS)?;
    let plan = export::plan(images.to_vec(), documents)?;
    let now = context.signing_time()?;
    let order = Order {
        record: None,
        packaging: Packaging::Directory,
        stream: "demo".parse().map_err(|error| Failure::new(Exit::Usage, "usage", error))?,
        epoch: 1,
        chain: None,
        sequence: now,
        previous: None,
        created: timestamp(now)?,
        expires: None,
        destination: None,
        pack: PackMode::Auto,
        level: 3,
        bases: &Bases::default(),
        scratch: None,
        signers: &[Box::new(key)],
        jobs: JOBS,
    };
    export::write(&plan, opener, &places.bundle, &order, None, context.progress())?;
    Ok(())
}

fn verify(places: &Places, context: &Context) -> Result<VerifiedBundle, Failure> {
    let key = crate::trust::PublicKey::from_pem(&super::input::key(&places.public_key)?)?;
    let site = Site::at(timestamp(context.now())?);
    let bundle = verify::verify(
        std::slice::from_ref(&places.bundle),
        &Keyring::new(vec![key], 1)?.into(),
        &site,
    )?;
    super::verify::prove(bundle.get(), context)?;
    Ok(bundle)
}

fn import(bundle: &VerifiedBundle, places: &Places, context: &Context) -> Result<(), Failure> {
    let target = LayoutTarget::open_or_create(&places.store)?;
    let plan = import::plan(bundle.get().images(), &[], &Mapping::new(Base::Layout, Vec::new()))?;
    import::run(bundle, &plan, &target, JOBS, false, context.progress())?;
    Ok(())
}

/// Reads every document and blob of every image where the images came from and in the store, and
/// hashes both. Gives what was compared: digest and size, each once.
fn compare(
    images: &[PinnedImage],
    layout: &Layout,
    places: &Places,
) -> Result<BTreeMap<Digest, u64>, Failure> {
    let store = Layout::open(&places.store)?;
    let mut compared = BTreeMap::new();
    for image in images {
        let wanted = image.name.to_string();
        let found =
            store.entries().iter().find(|entry| entry.name.as_deref() == Some(wanted.as_str()));
        if found.map(|entry| entry.descriptor.digest) != Some(image.digest) {
            let message = format!("{wanted} is not {} in the store", image.digest);
            return Err(Failure::new(Exit::Damaged, "other-digest", message));
        }
        for document in &image.documents {
            let there = layout.manifest(&document.descriptor())?;
            let here = store.manifest(&document.descriptor())?;
            compared.insert(document.digest, document.size);
            for blob in here.blobs() {
                compared.insert(blob.digest, blob.size);
                if content(layout, blob)? != content(&store, blob)? {
                    return Err(Failure::new(Exit::Damaged, "other-digest", blob.digest));
                }
            }
            if there.raw() != here.raw() {
                return Err(Failure::new(Exit::Damaged, "other-digest", document.digest));
            }
        }
    }
    Ok(compared)
}

fn content(layout: &Layout, blob: &Descriptor) -> Result<Digest, Failure> {
    let mut hasher = blob.digest.hasher();
    let mut reader = layout.blob(blob)?.proving();
    let mut buffer = vec![0; 1 << 20];
    loop {
        let failed = |error: io::Error| Failure::new(Exit::Damaged, "bad-content", error);
        match reader.read(&mut buffer).map_err(failed)? {
            0 => return Ok(hasher.finish()),
            count => hasher.update(&buffer[..count]),
        }
    }
}

struct Demo {
    address: SocketAddr,
    places: Places,
    clock: Clock,
    bundle: VerifiedBundle,
    compared: BTreeMap<Digest, u64>,
}

impl Demo {
    fn commands(&self) -> [String; 3] {
        let id = self.bundle.get().signers().first().map(ToString::to_string).unwrap_or_default();
        let key = std::path::absolute(&self.places.public_key);
        let key = key.unwrap_or_else(|_| self.places.public_key.clone());
        let key = quoted(&key.to_string_lossy());
        [
            format!(
                "openssl pkeyutl -verify -pubin -inkey {key} -rawin -in seal -sigfile seal.{id}.sig"
            ),
            "sha256sum SHA256SUMS   # is the `sums:` line of the seal".to_owned(),
            "sha256sum -c --quiet SHA256SUMS".to_owned(),
        ]
    }

    fn text(&self) -> String {
        let contents = self.bundle.get();
        let mut text = format!("images, served at http://{} and now in the store:\n", self.address);
        for image in contents.images() {
            text += &format!("  {}  {}\n", image.digest, image.name);
        }
        let place = |path: &Path| escaped(&path.to_string_lossy());
        text += &format!(
            "\nlock        {}\nbundle      {}, {} files, {}\npublic key  {}\nstore       {}\nseal        {}\n\n",
            place(&self.places.lock),
            place(&self.places.bundle),
            contents.seal().files,
            bytes(contents.seal().bytes),
            place(&self.places.public_key),
            place(&self.places.store),
            contents.seal_digest()
        );
        for (step, seconds) in &self.clock.0 {
            text += &format!("{step:<8} {seconds:8.3} s\n");
        }
        text += &format!(
            "\n{} digests, {}: the same from end to end\n\nto check the bundle without gapferry:\n  cd {}\n",
            self.compared.len(),
            bytes(self.compared.values().sum()),
            escaped(&quoted(&self.places.bundle.to_string_lossy()))
        );
        self.commands().iter().fold(text, |text, command| format!("{text}  {command}\n"))
    }

    fn json(&self) -> serde_json::Value {
        let contents = self.bundle.get();
        json!({
            "images": contents.images().iter().map(|image| json!({
                "name": image.name, "digest": image.digest,
            })).collect::<Vec<_>>(),
            "lock": self.places.lock.to_string_lossy(),
            "bundle": self.places.bundle.to_string_lossy(),
            "publicKey": self.places.public_key.to_string_lossy(),
            "store": self.places.store.to_string_lossy(),
            "seal": contents.seal_digest(),
            "bytes": contents.seal().bytes,
            "seconds": self.clock.0.iter().copied().collect::<BTreeMap<_, _>>(),
            "comparedDigests": self.compared.len(),
            "commands": self.commands(),
        })
    }
}
