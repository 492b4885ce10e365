//! Cases about what registries do: images go into a registry that plays a quirk, and come out of it.

use base64::Engine as _;
use serde_json::json;

use crate::build;
use crate::list::{Case, P, R, RP, case};
use crate::misbehaving::{Misbehaving, PASSWORD, Quirk, REFRESH, USER};
use crate::seen::{How, Seen};
use crate::stage::{Stage, TRUST};

const IMAGES: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/testdata/images");
const MIB: usize = 1024 * 1024;

/// The cases of registries.
pub(crate) fn cases() -> Vec<Case> {
    [who_asks(), push(), pull(), content()].into_iter().flatten().collect()
}

fn who_asks() -> Vec<Case> {
    vec![
        case(62, P, "a token that ends in mid-upload").live(tokens_wear_out).also(&[
            "tests/registries/auth.rs::a_token_that_ends_in_mid_upload_is_replaced",
            "tests/registries/real.rs::a_token_that_ends_in_mid_upload_is_replaced",
        ]),
        case(63, P, "401 to a mount: the blob is sent")
            .live(mount_unauthorised)
            .also(&["tests/registries/push.rs::a_mount_that_is_refused_is_an_upload"]),
        case(64, P, "400 to a mount that does not say from where").live(mount_needs_from),
        case(65, P, "a token for many repositories is too long: one for each").live(long_tokens),
        case(66, P, "a refresh token under the user `<token>`")
            .live(refresh_token)
            .also(&["tests/registries/real.rs::credential_helpers_are_asked"]),
        case(67, P, "content and sessions at another host, which must not see who asks")
            .live(elsewhere)
            .also(&["tests/registries/auth.rs::no_other_origin_sees_who_asks"]),
        case(68, P, "a location that loses `:443` is the same host").live(lost_port),
        case(69, R, "a redirect, or the place of tokens, in plain http").live(plain_http),
    ]
}

fn push() -> Vec<Case> {
    vec![
        case(70, P, "202 to a mount: that session is used").live(mount_accepted).also(&[
            "tests/registries/push.rs::a_session_in_place_of_a_mount_is_used",
        ]),
        case(71, P, "201 to a PATCH").live(patch_created),
        case(72, P, "requests over 4 MiB are refused, or cut; pieces have a least size")
            .live(large_requests)
            .also(&["tests/registries/push.rs::a_cap_of_100_mb_before_the_registry_is_kept"]),
        case(73, P, "a PATCH is carried out, and its answer lost").live(answer_lost).also(&[
            "tests/registries/push.rs::what_was_taken_is_not_sent_twice",
        ]),
        case(74, P, "416 to a PATCH of which a part was taken").live(half_taken).also(&[
            "tests/registries/push.rs::a_session_that_was_cut_or_answers_416_goes_on_from_its_range",
        ]),
        case(75, P, "a session that cannot go on: `resumed at wrong offset`").live(wrong_offset),
        case(76, P, "429 and 503, with a time to wait and without").live(busy).also(&[
            "tests/registries/push.rs::a_busy_registry_is_waited_for",
        ]),
        case(77, R, "413 to a manifest").live(manifest_too_large),
        case(78, R, "the quota is exceeded, uploads are denied, a tag may not move")
            .live(denied)
            .also(&["tests/registries/push.rs::a_tag_that_may_not_move_is_told_in_the_registrys_words"]),
        case(79, P, "no `OCI-Subject`: the fallback tag is kept").live(no_referrers_api).also(&[
            "tests/registries/push.rs::without_oci_subject_the_fallback_tag_is_kept",
        ]),
        case(80, R, "405 to `artifactType`: that referrer is named; with `--keep-going` the image is there")
            .live(artifact_types_refused),
    ]
}

fn pull() -> Vec<Case> {
    vec![
        case(81, P, "no `Docker-Content-Digest`").live(no_content_digest),
        case(82, P, "403 or 404 to HEAD of a manifest that GET gives").live(no_head),
        case(83, P, "no `Content-Length`").live(no_content_length),
        case(84, P, "ranges are ignored")
            .live(ranges_ignored)
            .also(&["tests/registries/pull.rs::a_blob_that_is_cut_goes_on_or_begins_anew"]),
        case(85, RP, "lists of tags that are null, or come in pages").live(tag_lists).also(&[
            "tests/registries/tags.rs::a_list_may_be_null",
            "tests/registries/tags.rs::pages_are_followed",
        ]),
        case(86, P, "406 to the referrers API, 403 for a tag that is not there").live(artifactory),
        case(87, P, "`Content-Type` unlike the document's own media type").live(other_content_type),
        case(88, R, "docker schema 1: named, and with `--keep-going` the rest goes on")
            .live(schema1),
        case(89, P, "a tag that moves after the lock")
            .live(moving_tag)
            .also(&["tests/carry/selection.rs::a_tag_that_moves_after_the_lock_moves_nothing"]),
        case(90, P, "few requests are left: `RateLimit-Remaining`")
            .live(few_requests_left)
            .also(&["tests/registries/pull.rs::few_requests_that_are_left_are_spread"]),
        case(91, R, "a document that never ends, a blob that crawls").live(endless),
    ]
}

fn content() -> Vec<Case> {
    vec![
        case(92, P, "an index of which some platforms travel, the empty descriptor")
            .live(odd_content)
            .also(&["src/select/tests/pinning.rs::foreign_layers_stay_behind"]),
        case(93, P, "foreign layers: only when they are asked for").live(foreign_layers),
        case(94, P, "signatures by tag and by referrers, and what refers to them")
            .live(signed)
            .also(&["tests/carry/main.rs::everything_arrives_bit_for_bit_and_once"]),
        case(95, R, "docker's media types where they are refused: told, not converted")
            .live(docker_types_refused),
        case(96, RP, "images of one path from two registries: named apart, or refused")
            .live(one_path),
    ]
}

/// One image under two names.
fn two() -> String {
    let name = |name: &str| format!("registry.example/{name}:1=oci:{IMAGES}:charts/hello:0.1.0");
    format!("{} {}", name("demo/one"), name("demo/two"))
}

/// A stage with a bundle of these images.
fn bundled(images: &str) -> Stage {
    let stage = Stage::new();
    stage.work.ok(&format!("export {images} -o b --key trusted.key"));
    stage
}

fn import(stage: &Stage, registry: &Misbehaving, more: &str) -> Seen {
    stage.watch(&format!("import b {TRUST} --to docker://{} {more}", registry.host()))
}

fn export(stage: &Stage, registry: &Misbehaving, name: &str, more: &str) -> Seen {
    stage.watch(&format!("export {}/{name} -o out --key trusted.key {more}", registry.host()))
}

/// Two images into a registry with these quirks, and one of them out of it again.
fn carried_with(quirks: &[Quirk], auth: &str) -> (Misbehaving, Vec<Seen>) {
    let (stage, registry) = (bundled(&two()), Misbehaving::with(quirks));
    stage.work.write("auth.json", auth.replace("HOST", &registry.host()));
    let more = "--authfile auth.json";
    let into = import(&stage, &registry, more).passes();
    let out = export(&stage, &registry, "demo/one:1", more).passes();
    (registry, vec![into, out])
}

fn carried(quirks: &[Quirk]) -> Vec<Seen> {
    carried_with(quirks, "{}").1
}

/// The same as [`USER`].
fn carried_as_user(quirks: &[Quirk]) -> Vec<Seen> {
    carried_with(quirks, &auth_file(USER, PASSWORD)).1
}

fn auth_file(user: &str, password: &str) -> String {
    let auth = base64::engine::general_purpose::STANDARD.encode(format!("{user}:{password}"));
    json!({"auths": {"HOST": {"auth": auth}}}).to_string()
}

fn each(quirks: &[Quirk]) -> Vec<Seen> {
    quirks.iter().flat_map(|quirk| carried(&[*quirk])).collect()
}

fn tokens_wear_out() -> Vec<Seen> {
    carried_as_user(&[Quirk::TokensWearOut(2)])
}

fn mount_unauthorised() -> Vec<Seen> {
    each(&[401, 403, 405].map(Quirk::MountAnswers))
}

fn mount_needs_from() -> Vec<Seen> {
    carried(&[Quirk::MountNeedsFrom])
}

fn long_tokens() -> Vec<Seen> {
    carried_as_user(&[Quirk::OneRepositoryAToken])
}

fn refresh_token() -> Vec<Seen> {
    carried_with(&[Quirk::TokensForRefresh], &auth_file("<token>", REFRESH)).1
}

fn elsewhere() -> Vec<Seen> {
    let mut all = carried_as_user(&[Quirk::AsksToken, Quirk::BlobsElsewhere]);
    all.extend(carried_as_user(&[Quirk::AsksToken, Quirk::SessionsElsewhere]));
    all
}

/// A registry behind a proxy, so that it can have a name and the port 443.
fn lost_port() -> Vec<Seen> {
    let stage = bundled(&two());
    let (registry, authority) = crate::support::DockerRegistry::start_at_443("registry.test");
    let tunnel = crate::tunnel::Tunnel::start(registry.port(), "");
    stage.work.write("authority.pem", authority);
    let auth = auth_file(crate::support::USER, crate::support::PASSWORD);
    stage.work.write("auth.json", auth.replace("HOST", "registry.test:443"));
    vec![
        stage
            .watch(&format!(
                "import b {TRUST} --to docker://registry.test:443 --proxy {} \
                 --ca-file authority.pem --authfile auth.json",
                tunnel.url()
            ))
            .passes(),
    ]
}

fn plain_http() -> Vec<Seen> {
    let (stage, registry) = (bundled(&two()), Misbehaving::with(&[Quirk::BlobsInPlainHttp]));
    import(&stage, &registry, "").passes();
    let redirect = export(&stage, &registry, "demo/one:1", "").refused(1, "plain-http");
    let registry = Misbehaving::with(&[Quirk::RealmInPlainHttp]);
    let realm = import(&bundled(&two()), &registry, "").refused(3, "malformed-answer");
    assert!(registry.is_empty());
    vec![redirect, realm]
}

fn mount_accepted() -> Vec<Seen> {
    let (registry, seen) = carried_with(&[Quirk::MountAnswers(202)], "{}");
    assert_eq!(registry.count("DELETE", "uploads"), 0);
    seen
}

fn patch_created() -> Vec<Seen> {
    carried(&[Quirk::PatchAnswers201])
}

/// An image with a layer of 9 MiB, which does not repeat.
fn large_requests() -> Vec<Seen> {
    let layer: Vec<u8> =
        (0..9 * MIB as u32).map(|n| (n.wrapping_mul(2_654_435_761) >> 24) as u8).collect();
    let stage = with_layers(
        &json!([build::descriptor("application/vnd.oci.image.layer.v1.tar", &layer)]),
        &[&layer],
    );
    stage.work.ok("export oci:layout -o b --key trusted.key");
    [Quirk::RequestsUpTo4MiB, Quirk::LargeRequestsCut, Quirk::ChunksFrom5MiB]
        .map(|quirk| {
            let registry = Misbehaving::with(&[quirk]);
            import(&stage, &registry, "").passes()
        })
        .to_vec()
}

/// A stage with the layout `layout` of an image with these layers, of which these are there.
fn with_layers(layers: &serde_json::Value, there: &[&[u8]]) -> Stage {
    let manifest = json!({
        "schemaVersion": 2, "mediaType": build::MANIFEST,
        "config": build::descriptor(build::CONFIG_TYPE, build::CONFIG), "layers": layers,
    });
    let manifest = manifest.to_string().into_bytes();
    let mut entry = build::descriptor(build::MANIFEST, &manifest);
    entry["annotations"] =
        json!({"org.opencontainers.image.ref.name": "registry.example/demo/one:1"});
    let index = json!({"schemaVersion": 2, "mediaType": build::INDEX, "manifests": [entry]});
    let blobs = there.iter().copied().chain([build::CONFIG, &manifest]);
    let mut files: build::Files =
        blobs.map(|bytes| (build::blob_name(bytes), bytes.to_vec())).collect();
    files.insert("oci-layout".to_owned(), br#"{"imageLayoutVersion":"1.0.0"}"#.to_vec());
    files.insert("index.json".to_owned(), index.to_string().into());
    let stage = Stage::new();
    stage.put("layout", &files);
    stage
}

fn answer_lost() -> Vec<Seen> {
    carried(&[Quirk::PatchAnswerLost])
}

fn half_taken() -> Vec<Seen> {
    carried(&[Quirk::PatchHalfTaken416])
}

fn wrong_offset() -> Vec<Seen> {
    carried(&[Quirk::ResumedAtWrongOffset])
}

fn busy() -> Vec<Seen> {
    each(&[Quirk::BusyAtFirst(429, Some("1")), Quirk::BusyAtFirst(503, None)])
}

/// Import into a registry with this quirk, which shows nothing afterwards.
fn unseen(quirk: Quirk, code: &str) -> Seen {
    let registry = Misbehaving::with(&[quirk]);
    let seen = import(&bundled(&two()), &registry, "").refused(1, code);
    assert!(registry.is_empty());
    seen
}

fn manifest_too_large() -> Vec<Seen> {
    vec![unseen(Quirk::ManifestsTooLarge, "too-large").names("demo/")]
}

fn denied() -> Vec<Seen> {
    let mut all = vec![
        unseen(Quirk::QuotaExceeded, "denied").names("exceeds the quota"),
        unseen(Quirk::UploadsDenied, "denied").names("DENIED"),
    ];
    for status in [400, 409, 412] {
        let registry = Misbehaving::with(&[Quirk::TagsImmutable(status)]);
        import(&bundled(&two()), &registry, "").passes();
        let other = format!("registry.example/demo/one:1=oci:{IMAGES}:library/empty:1.0");
        let again = import(&bundled(&other), &registry, "").refused(1, "refused");
        all.push(again.names("the tag is immutable"));
    }
    all
}

fn signed_image() -> String {
    format!("registry.example/demo/one:1=oci:{IMAGES}:signed/app:1.0")
}

fn no_referrers_api() -> Vec<Seen> {
    let registry = Misbehaving::with(&[Quirk::NoReferrersApi]);
    let stage = bundled(&signed_image());
    let into = import(&stage, &registry, "").passes();
    let out = export(&stage, &registry, "demo/one:1", "").passes();
    assert_eq!(documents(&stage, "out"), documents(&stage, "b"));
    vec![into, out]
}

/// How many documents the image of a bundle has.
fn documents(stage: &Stage, bundle: &str) -> usize {
    let seen = stage.work.read(&format!("{bundle}/lading.json"));
    let lading: serde_json::Value = serde_json::from_slice(&seen).unwrap();
    lading["images"][0]["documents"].as_array().unwrap().len()
}

fn artifact_types_refused() -> Vec<Seen> {
    let registry = Misbehaving::with(&[Quirk::ArtifactTypesRefused]);
    let stage = bundled(&signed_image());
    let ends = import(&stage, &registry, "").refused(1, "refused").names("manifest ");
    assert!(registry.tagged("demo/one", "1").is_none());
    let goes_on = import(&stage, &registry, "--keep-going").is(How::Refused, 5, "partial");
    assert!(registry.tagged("demo/one", "1").is_some());
    vec![ends, goes_on]
}

fn no_content_digest() -> Vec<Seen> {
    carried(&[Quirk::NoContentDigest])
}

fn no_head() -> Vec<Seen> {
    each(&[403, 404].map(Quirk::ManifestHeadAnswers))
}

fn no_content_length() -> Vec<Seen> {
    each(&[Quirk::NoContentLength, Quirk::Chunked])
}

fn ranges_ignored() -> Vec<Seen> {
    carried(&[Quirk::RangesIgnored])
}

/// What is null is empty, and a pattern that fits nothing is an error.
fn tag_lists() -> Vec<Seen> {
    let seen = |quirk| {
        let (stage, registry) = (bundled(&two()), Misbehaving::with(&[quirk]));
        import(&stage, &registry, "").passes();
        export(&stage, &registry, "demo/one:*", "")
    };
    vec![seen(Quirk::TagsNull).refused(1, "no-match"), seen(Quirk::TagsInPages).passes()]
}

fn artifactory() -> Vec<Seen> {
    carried(&[Quirk::ReferrersAnswer(406), Quirk::AbsentTagsForbidden])
}

fn other_content_type() -> Vec<Seen> {
    let image = format!("registry.example/demo/one:1=oci:{IMAGES}:library/empty:1.0");
    let (stage, registry) = (bundled(&image), Misbehaving::with(&[Quirk::OtherContentType]));
    import(&stage, &registry, "").passes();
    vec![export(&stage, &registry, "demo/one:1", "").passes()]
}

fn schema1() -> Vec<Seen> {
    let registry = Misbehaving::with(&[Quirk::OnlySchema1]);
    let stage = Stage::new();
    let old = export(&stage, &registry, "old:1", "").refused(3, "schema1");
    let line =
        format!("export {}/old:1 {} -o out --key trusted.key --keep-going", registry.host(), two());
    let output = stage.work.run(&format!("{line} --output json"));
    let rest = crate::stage::seen(&output).is(How::Refused, 5, "partial");
    assert!(stage.path("out/seal").exists(), "the rest goes on");
    vec![old, rest]
}

fn moving_tag() -> Vec<Seen> {
    let (stage, registry) = (bundled(&two()), Misbehaving::with(&[]));
    import(&stage, &registry, "").passes();
    let locked = registry.tagged("demo/one", "1").unwrap();
    stage.work.ok(&format!("lock {}/demo/one:1 -o images.lock", registry.host()));
    let other = format!("registry.example/demo/one:1=oci:{IMAGES}:library/empty:1.0");
    import(&bundled(&other), &registry, "").passes();
    assert_ne!(registry.tagged("demo/one", "1").unwrap(), locked);
    let out = stage.watch("export --lock images.lock -o out --key trusted.key").passes();
    assert!(stage.path("out").join(build::blob_name(&locked)).exists());
    vec![out]
}

fn few_requests_left() -> Vec<Seen> {
    carried(&[Quirk::FewRequestsLeft])
}

fn endless() -> Vec<Seen> {
    let registry = Misbehaving::with(&[Quirk::BlobsCrawl]);
    let stage = bundled(&two());
    import(&stage, &registry, "").passes();
    let crawls = export(&stage, &registry, "demo/one:1", "--timeout 1 --retries 0");
    let never = Misbehaving::with(&[Quirk::DocumentsNeverEnd]);
    import(&bundled(&two()), &never, "").passes();
    let never = export(&Stage::new(), &never, "demo/one:1", "");
    vec![crawls.refused(1, "timed-out"), never.refused(3, "bad-manifest")]
}

fn odd_content() -> Vec<Seen> {
    ["library/multi:1.0", "library/empty:1.0"]
        .map(|name| {
            let image = format!("registry.example/demo/one:1=oci:{IMAGES}:{name}");
            let (stage, registry) = (bundled(&image), Misbehaving::with(&[]));
            import(&stage, &registry, "").passes();
            export(&stage, &registry, "demo/one:1", "").passes()
        })
        .to_vec()
}

fn foreign_layers() -> Vec<Seen> {
    let layer = b"a foreign layer".to_vec();
    let registry = Misbehaving::with(&[]);
    let url = registry.give_away(&layer);
    let mut foreign =
        build::descriptor("application/vnd.oci.image.layer.nondistributable.v1.tar", &layer);
    foreign["urls"] = json!([url]);
    let stage = with_layers(&json!([foreign]), &[]);
    stage.work.ok("export oci:layout -o b --key trusted.key");
    let into = import(&stage, &registry, "").passes();
    let without = export(&stage, &registry, "demo/one:1", "").passes();
    let name = build::blob_name(&layer);
    assert!(!stage.path("out").join(&name).exists());
    assert_eq!(registry.count("GET", "given"), 0, "nothing is fetched that is not asked for");
    std::fs::remove_dir_all(stage.path("out")).unwrap();
    let more = "--foreign-layers --store-layers";
    let with = export(&stage, &registry, "demo/one:1", more).passes();
    assert!(stage.path("out").join(&name).exists());
    vec![into, without, with]
}

fn signed() -> Vec<Seen> {
    let (stage, registry) = (bundled(&signed_image()), Misbehaving::with(&[]));
    let into = import(&stage, &registry, "").passes();
    let out = export(&stage, &registry, "demo/one:1", "").passes();
    assert!(documents(&stage, "out") > 4);
    assert_eq!(documents(&stage, "out"), documents(&stage, "b"));
    vec![into, out]
}

fn docker_types_refused() -> Vec<Seen> {
    let registry = Misbehaving::with(&[Quirk::DockerTypesRefused]);
    let image = format!("registry.example/demo/one:1=oci:{IMAGES}:legacy/schema2:1.0");
    let seen = import(&bundled(&image), &registry, "").refused(1, "media-type");
    assert!(registry.is_empty());
    vec![seen.names("application/vnd.docker.distribution.manifest.v2+json")]
}

fn one_path() -> Vec<Seen> {
    let name = |host: &str, image: &str| format!("{host}/demo/one:1=oci:{IMAGES}:{image}");
    let images = format!(
        "{} {}",
        name("a.example", "charts/hello:0.1.0"),
        name("b.example", "library/empty:1.0")
    );
    let (stage, registry) = (bundled(&images), Misbehaving::with(&[]));
    let map = "--map a.example=a --map b.example=b";
    let same = "--map a.example=x --map b.example=x";
    let collide = import(&stage, &registry, same).refused(2, "collision");
    assert!(registry.is_empty());
    vec![import(&stage, &registry, map).passes(), collide]
}
