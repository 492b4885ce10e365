//! Holding one image against a policy. Goes on after a finding: all of them are told at once.

use std::collections::{BTreeMap, BTreeSet};

use serde::Deserialize;

use super::cosign::{ANNOTATION, BUNDLE, Claimed, Flaw, PAYLOAD};
use super::date;
use super::finding::{Breach, Dated};
use super::parts::{Attached, Parts};
use super::place;
use super::rules::{Kind, Policy, Rule, ScanRule, SignatureRule};
use super::{Circumstances, Evidence, MAX_EVIDENCE};
use crate::oci::{Content, Descriptor, Digest, Manifest, PinnedImage, Platform, json};

/// How many signatures of one image are looked at. More are none that anybody means.
const MAX_CLAIMS: usize = 64;
/// How many signatures that do not count are told of.
const MAX_FLAWS: usize = 5;
/// When something was made, in annotations.
const CREATED: &str = "org.opencontainers.image.created";

/// What all rules that match an image demand of it together.
struct Demands<'p> {
    platforms: BTreeSet<&'p Platform>,
    kinds: BTreeSet<Kind>,
    scans: Vec<&'p ScanRule>,
    signatures: Vec<&'p SignatureRule>,
    digest: bool,
    max_age: Option<u64>,
    max_bytes: Option<u64>,
}

impl<'p> Demands<'p> {
    /// A rule is for an image that has a name of the pattern, or comes from such a place: giving it
    /// another name is no way around the rule.
    fn of(policy: &'p Policy, image: &PinnedImage) -> Demands<'p> {
        let origin = place::repository(&image.source);
        let places: Vec<_> = origin.iter().chain([&image.name.repository]).collect();
        let rules: Vec<&Rule> = policy
            .rules
            .iter()
            .filter(|rule| places.iter().any(|it| rule.pattern.matches(it)))
            .collect();
        let signatures = policy.signatures.iter();
        Demands {
            platforms: rules.iter().flat_map(|rule| &rule.platforms).collect(),
            kinds: rules.iter().flat_map(|rule| &rule.require).copied().collect(),
            scans: rules.iter().filter_map(|rule| rule.scan.as_ref()).collect(),
            signatures: signatures
                .filter(|rule| places.iter().any(|it| rule.pattern.matches(it)))
                .collect(),
            digest: rules.iter().any(|rule| rule.require_digest),
            max_age: rules.iter().filter_map(|rule| rule.max_age_days).min(),
            max_bytes: rules.iter().filter_map(|rule| rule.max_bytes).min(),
        }
    }
}

/// The rules for signatures that count for `image`.
pub(super) fn signature_rules<'p>(
    policy: &'p Policy,
    image: &PinnedImage,
) -> Vec<&'p SignatureRule> {
    Demands::of(policy, image).signatures
}

/// An image's config, as far as it matters here.
#[derive(Debug, Default, Deserialize)]
struct Config {
    created: Option<String>,
    os: Option<String>,
    architecture: Option<String>,
    variant: Option<String>,
}

impl Config {
    fn platform(&self) -> Option<Platform> {
        let variant = self.variant.as_ref().filter(|variant| !variant.is_empty());
        let parts = [Some(self.os.as_ref()?), Some(self.architecture.as_ref()?), variant];
        parts.into_iter().flatten().cloned().collect::<Vec<String>>().join("/").parse().ok()
    }
}

/// What may be a signature, by the digest of its payload.
type Claim = (Digest, Result<Claimed, Flaw>);

/// An image that is being held against a policy.
pub struct Case<'a, E> {
    policy: &'a Policy,
    image: &'a PinnedImage,
    evidence: &'a E,
    circumstances: Circumstances,
    parts: Parts<'a>,
    breaches: Vec<Breach>,
}

impl<'a, E: Evidence> Case<'a, E> {
    /// Takes the image apart.
    pub fn new(
        policy: &'a Policy,
        image: &'a PinnedImage,
        evidence: &'a E,
        circumstances: Circumstances,
    ) -> Case<'a, E> {
        let parts = Parts::of(image, evidence);
        let breaches = parts.unseen.iter().copied().map(Breach::Unseen).collect();
        Case { policy, image, evidence, circumstances, parts, breaches }
    }

    /// Everything that is wrong with it.
    ///
    /// # Errors
    /// When a blob cannot be read.
    pub fn judge(mut self) -> Result<Vec<Breach>, E::Error> {
        let demands = Demands::of(self.policy, self.image);
        self.source();
        self.blocked();
        if demands.digest {
            self.pinned();
        }
        if let Some(limit) = demands.max_bytes {
            self.size(limit);
        }
        self.configs(&demands)?;
        for kind in demands.kinds {
            let found = self.whole_or_each(|subject| self.has(kind, subject));
            self.breaches.extend(found);
        }
        for scan in demands.scans {
            let found = self.whole_or_each(|subject| self.scanned(scan, subject));
            self.breaches.extend(found);
        }
        self.signed(&demands.signatures)?;
        Ok(self.breaches)
    }

    fn source(&mut self) {
        let allowed = self.policy.allow.as_ref();
        if allowed.is_some_and(|places| !places.iter().any(|it| it.holds(&self.image.source))) {
            self.breaches.push(Breach::Source(self.image.source.clone()));
        }
    }

    fn blocked(&mut self) {
        let image = self.image;
        let blobs = self.documents().flat_map(Manifest::blobs).map(|blob| blob.digest);
        let documents = image.documents.iter().map(|document| document.digest);
        let all: BTreeSet<Digest> =
            documents.chain(blobs).chain([image.digest]).chain(image.index).collect();
        let found = self.policy.block.intersection(&all).copied().map(Breach::Blocked);
        self.breaches.extend(found);
    }

    fn pinned(&mut self) {
        let image = self.image;
        let named = image.name.digest.is_some() || place::has_digest(&image.source);
        if self.circumstances.by_tag && !named {
            self.breaches.push(Breach::NoDigest);
        }
    }

    fn size(&mut self, limit: u64) {
        let travels = |blob: &&Descriptor| !self.image.omits(&blob.digest);
        let blobs = self.documents().flat_map(Manifest::blobs).filter(travels);
        let sizes: BTreeMap<Digest, u64> = blobs.map(|blob| (blob.digest, blob.size)).collect();
        let bytes = sizes.values().fold(0u64, |sum, size| sum.saturating_add(*size));
        if bytes > limit {
            self.breaches.push(Breach::TooLarge { bytes, limit });
        }
    }

    fn documents(&self) -> impl Iterator<Item = &'a Manifest> {
        let evidence = self.evidence;
        self.image.documents.iter().filter_map(|document| evidence.document(&document.digest))
    }

    /// What is asked of the configs: platforms and dates.
    fn configs(&mut self, demands: &Demands<'_>) -> Result<(), E::Error> {
        let mut offered = Vec::new();
        let manifests = std::mem::take(&mut self.parts.manifests);
        for (manifest, platform) in &manifests {
            let wanted = !demands.platforms.is_empty() && platform.is_none();
            let config = match wanted || demands.max_age.is_some() {
                true => self.config(manifest)?,
                false => Config::default(),
            };
            offered.extend(platform.clone().or_else(|| config.platform()));
            if let Some(limit) = demands.max_age {
                let digest = manifest.descriptor().digest;
                let created = config.created.as_ref().or(manifest.annotations().get(CREATED));
                let aged = self.aged(Dated::Image, digest, created, limit);
                self.breaches.extend(aged.err());
            }
        }
        self.parts.manifests = manifests;
        // Charts and other artifacts run nowhere.
        if self.parts.manifests.iter().any(|(manifest, _)| image_config(manifest).is_some()) {
            let met = |wanted: &Platform| offered.iter().any(|it| it.satisfies(wanted));
            let lacking = demands.platforms.iter().filter(|wanted| !met(wanted));
            self.breaches.extend(lacking.map(|wanted| Breach::Platform((*wanted).clone())));
        }
        Ok(())
    }

    /// The config of an image; an empty one for artifacts, and for what cannot be read.
    fn config(&mut self, manifest: &Manifest) -> Result<Config, E::Error> {
        let Some(descriptor) = image_config(manifest) else { return Ok(Config::default()) };
        let bytes = match descriptor.size > MAX_EVIDENCE {
            true => None,
            false => self.evidence.blob(self.image, descriptor)?,
        };
        if bytes.is_none() {
            self.breaches.push(Breach::Unseen(descriptor.digest));
        }
        Ok(bytes.and_then(|bytes| json::parse(&bytes).ok()).unwrap_or_default())
    }

    fn aged(
        &self,
        of: Dated,
        digest: Digest,
        created: Option<&String>,
        limit: u64,
    ) -> Result<(), Breach> {
        let now = self.circumstances.now;
        let then = created.and_then(|text| date::seconds(text));
        let then = then.ok_or(Breach::Undated { of, digest })?;
        match date::days_between(then, now) {
            _ if date::is_future(then, now) => Err(Breach::Future { of, digest }),
            days if days > limit => Err(Breach::TooOld { of, digest, days, limit }),
            _ => Ok(()),
        }
    }

    /// `test` holds for the image as a whole, or for each of its platforms. What it lacks is told of
    /// the platforms if some of them pass, else of the whole.
    fn whole_or_each(&self, test: impl Fn(&Digest) -> Result<(), Breach>) -> Vec<Breach> {
        let Err(whole) = test(&self.image.digest) else { return Vec::new() };
        let digests = self.parts.manifests.iter().map(|(manifest, _)| manifest.descriptor().digest);
        let parts: Vec<Digest> = digests.filter(|digest| *digest != self.image.digest).collect();
        let failed: Vec<Breach> = parts.iter().filter_map(|digest| test(digest).err()).collect();
        if failed.len() == parts.len() { vec![whole] } else { failed }
    }

    fn has(&self, kind: Kind, subject: &Digest) -> Result<(), Breach> {
        let mut of_subject = self.parts.attached.iter().filter(|it| it.subject == *subject);
        match of_subject.any(|it| it.is(kind)) {
            true => Ok(()),
            false => Err(Breach::Missing { kind, subject: *subject }),
        }
    }

    fn scanned(&self, rule: &ScanRule, subject: &Digest) -> Result<(), Breach> {
        let is_scan = |it: &&Attached<'_>| {
            it.subject == *subject && rule.types.iter().any(|kind| kind == it.artifact_type())
        };
        let mut last = Err(Breach::NoScan(*subject));
        for scan in self.parts.attached.iter().filter(is_scan) {
            let Some(limit) = rule.max_age_days else { return Ok(()) };
            let descriptor = scan.manifest.descriptor();
            let created = scan.manifest.annotations().get(CREATED);
            let created = created.or(descriptor.annotations.get(CREATED));
            last = self.aged(Dated::Scan, descriptor.digest, created, limit);
            if last.is_ok() {
                return Ok(());
            }
        }
        last
    }

    fn signed(&mut self, rules: &[&SignatureRule]) -> Result<(), E::Error> {
        if rules.is_empty() {
            return Ok(());
        }
        let claims = self.claims()?;
        let digest = self.image.digest;
        for rule in rules {
            let (mut signers, mut flaws) = (BTreeSet::new(), Vec::new());
            for (at, claim) in &claims {
                let keys = rule.keys.iter().map(|(_, key)| key);
                match claim.as_ref().map_err(Flaw::clone).and_then(|it| it.signers(keys)) {
                    Ok(found) => signers.extend(found),
                    Err(flaw) => flaws.push((*at, flaw)),
                }
            }
            let (needed, valid) = (rule.threshold, signers.len());
            if valid < needed {
                flaws.truncate(MAX_FLAWS);
                self.breaches.push(Breach::Unsigned { digest, needed, valid, flaws });
            }
        }
        Ok(())
    }

    /// What claims to be cosign's signature of the image's digest.
    fn claims(&self) -> Result<Vec<Claim>, E::Error> {
        let of_image = self.parts.attached.iter().filter(|it| it.subject == self.image.digest);
        let signing = of_image.filter(|it| it.is(Kind::CosignSignature));
        let layers = signing.flat_map(|it| match it.manifest.content() {
            Content::Image { layers, .. } => layers.as_slice(),
            _ => &[],
        });
        let known = layers.filter(|layer| [PAYLOAD, BUNDLE].contains(&layer.media_type.as_str()));
        let claim = |layer: &Descriptor| Ok((layer.digest, self.claim(layer)?));
        known.take(MAX_CLAIMS).map(claim).collect()
    }

    fn claim(&self, layer: &Descriptor) -> Result<Result<Claimed, Flaw>, E::Error> {
        if layer.size > MAX_EVIDENCE {
            return Ok(Err(Flaw::TooLarge(layer.size)));
        }
        let Some(bytes) = self.evidence.blob(self.image, layer)? else {
            return Ok(Err(Flaw::Absent));
        };
        Ok(self.read_claim(layer, bytes))
    }

    fn read_claim(&self, layer: &Descriptor, bytes: Vec<u8>) -> Result<Claimed, Flaw> {
        let mut hasher = layer.digest.hasher();
        hasher.update(&bytes);
        if hasher.finish() != layer.digest {
            return Err(Flaw::Content);
        }
        if layer.media_type.as_str() == BUNDLE {
            let image = self.evidence.document(&self.image.digest).ok_or(Flaw::Absent)?;
            return Claimed::bundle(&bytes, image);
        }
        let signature = layer.annotations.get(ANNOTATION).ok_or(Flaw::Nothing)?;
        Claimed::payload(bytes, signature, &self.image.digest)
    }
}

fn image_config(manifest: &Manifest) -> Option<&Descriptor> {
    match manifest.content() {
        Content::Image { config: Some(config), .. } if config.media_type.is_image_config() => {
            Some(config)
        }
        _ => None,
    }
}
