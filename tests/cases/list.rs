//! Every case: what it is, how it may end, and what plays it.

use crate::seen::{How, Seen};
use crate::table::{Row, assert_test};
use crate::{content, crash, export, fresh, log, medium, parity, registries, seal, vector};

/// A case, and what plays it.
pub(crate) struct Case {
    number: u8,
    /// One line of the table.
    what: &'static str,
    /// How each form of it may end.
    may: &'static [How],
    plays: Vec<Play>,
    /// Tests elsewhere that try it in more ways.
    also: &'static [&'static str],
}

/// One form of a case, or several, and its name in the table.
type Play = (String, Box<dyn Fn() -> Vec<Seen> + Send + Sync>);

pub(crate) const R: &[How] = &[How::Refused];
pub(crate) const P: &[How] = &[How::Passes];
pub(crate) const RP: &[How] = &[How::Refused, How::Passes];
const S: &[How] = &[How::GoesOn];

pub(crate) fn case(number: u8, may: &'static [How], what: &'static str) -> Case {
    Case { number, what, may, plays: Vec::new(), also: &[] }
}

impl Case {
    /// Played by stored vectors.
    fn vectors(mut self, names: &[&'static str]) -> Case {
        for name in names {
            let name = *name;
            self.plays.push((name.to_owned(), Box::new(move || vector::play(name))));
        }
        self
    }

    /// Played by a function, whose name is that in the table.
    pub fn live<F: Fn() -> Vec<Seen> + Send + Sync + 'static>(mut self, play: F) -> Case {
        let name = std::any::type_name::<F>().trim_start_matches("cases::").to_owned();
        self.plays.push((name, Box::new(play)));
        self
    }

    pub fn also(self, also: &'static [&'static str]) -> Case {
        Case { also, ..self }
    }

    /// Plays it, and asserts that it ends as it may.
    pub fn play(&self) -> Row {
        let Case { number, what, may, .. } = *self;
        assert!(!self.plays.is_empty(), "case {number} is not played");
        let mut seen = Vec::new();
        for (name, play) in &self.plays {
            let these = play();
            let well = these.iter().all(|it| may.contains(&it.how)) && !these.is_empty();
            assert!(well, "case {number}, {name}: {these:?}");
            seen.extend(these);
        }
        // All ends that are allowed are seen: a row that allows more than there is says nothing.
        assert!(may.iter().all(|how| seen.iter().any(|it| it.how == *how)), "case {number}");
        self.also.iter().for_each(|name| assert_test(name));
        let names = self.plays.iter().map(|(name, _)| name.clone());
        let shown_by = names.chain(self.also.iter().map(|name| (*name).to_owned())).collect();
        Row { number, what, seen, shown_by }
    }
}

/// The cases in the order of their numbers.
pub(crate) fn all() -> Vec<Case> {
    let mut groups =
        vec![trust(), freshness(), packaging(), protection(), contents(), documents(), crashes()];
    groups.push(registries::cases());
    let cases: Vec<Case> = groups.into_iter().flatten().collect();
    assert!(cases.iter().map(|case| case.number).eq(1..=96), "a case is missing or twice");
    cases
}

fn trust() -> Vec<Case> {
    vec![
        case(1, R, "a bit of the seal is another").vectors(&["seal-flipped"]),
        case(2, R, "a bit of a signature is another, or its last byte is gone").vectors(&[
            "signature-flipped",
            "signature-short",
            "signature-second-bad",
        ]),
        case(3, R, "no signature at all").vectors(&["signature-none"]),
        case(4, R, "one signature fewer than must be").vectors(&["signature-one-of-two"]),
        case(5, R, "one key twice, in two files and under two ids: it counts once")
            .live(seal::one_key_twice)
            .live(seal::one_key_under_two_ids)
            .also(&["tests/bundle/signing.rs::one_key_in_two_files_counts_once"]),
        case(6, R, "a key that may not seal this stream")
            .vectors(&["trust-key-of-other-stream", "trust-stream-unknown"])
            .also(&["tests/trust/keys.rs::a_key_of_another_stream_may_not_seal_this_one"]),
        case(7, R, "a key that a newer trust document on the medium revokes")
            .vectors(&["trust-key-revoked"]),
        case(8, R, "a gap in the numbers of trust documents")
            .vectors(&["trust-gap", "trust-gap-behind-site"]),
        case(
            9,
            R,
            "a next trust document that the new root keys alone signed, or the old ones alone",
        )
        .vectors(&["trust-new-roots-alone", "trust-old-roots-alone"]),
        case(10, R, "more trust documents, signatures or bytes than the caps: not parsed")
            .vectors(&["signatures-too-many", "signature-too-large", "seal-too-large"])
            .vectors(&["trust-too-large", "trust-signatures-too-many"])
            .vectors(&["trust-signature-too-large"])
            .also(&[
                "tests/cases/reads.rs::nothing_past_the_caps_is_read",
                "tests/cases/reads.rs::nothing_is_read_before_trust_documents_hold",
                "tests/trust/chains.rs::more_than_the_caps_is_refused_unparsed",
            ]),
        case(11, R, "a signature in a second form, keys of small order; all vectors of Wycheproof")
            .vectors(&["signature-second-form", "trust-key-weak"])
            .live(seal::weak_keys)
            .also(&[
                "src/trust/tests/wycheproof.rs::ed25519_vectors_verify_or_not_as_they_say",
                "src/trust/tests/wycheproof.rs::ecdsa_p384_vectors_verify_or_not_as_they_say",
            ]),
        case(
            12,
            R,
            "what was signed as something else in the place of a seal, and the other way round",
        )
        .vectors(&["seal-is-a-trust-document", "trust-is-a-seal", "trust-signature-namespace"])
        .also(&[
            "tests/trust/chains.rs::a_seal_is_no_trust_document_and_the_other_way_round",
            "tests/evidence/round.rs::a_receipts_signature_is_no_seals_and_the_other_way_round",
        ]),
        case(13, R, "CR LF, a byte-order mark, a line twice, unknown or too many in the seal")
            .vectors(&[
                "seal-crlf",
                "seal-bom",
                "seal-duplicate-line",
                "seal-unknown-line",
                "seal-trailing-line",
                "seal-no-last-line-feed",
                "seal-reordered",
            ]),
        case(14, R, "an SSH signature for another namespace").live(seal::other_namespace),
        case(15, R, "a program that signs other bytes, or with another key: nothing is sealed")
            .live(seal::signer_of_other_bytes)
            .also(&["tests/bundle/signers.rs::a_program_that_errs_makes_no_seal"]),
    ]
}

fn freshness() -> Vec<Case> {
    vec![
        case(16, P, "the same bundle again: it says so").live(fresh::the_same_again),
        case(17, RP, "a lower sequence; with `--restore` it passes into another target")
            .vectors(&["replayed", "replayed-epoch"])
            .live(fresh::lower_and_restored),
        case(18, R, "it has expired").vectors(&["expired"]),
        case(19, R, "it has expired, and the clock was set back")
            .vectors(&["expired-by-floor"])
            .also(&[
                "tests/replay/order.rs::a_clock_that_is_behind_does_not_bring_back_what_expired",
            ]),
        case(20, R, "a delta whose base is not there: it is named")
            .vectors(&["base-missing"])
            .live(fresh::base_missing),
        case(21, R, "for another destination")
            .vectors(&["destination-other", "destination-and-no-site"]),
    ]
}

fn packaging() -> Vec<Case> {
    vec![
        case(22, R, "a volume is not there: it is named")
            .vectors(&["volume-missing", "volume-last-missing"])
            .live(medium::missing_volume_is_named)
            .also(&["tests/media/staging.rs::what_is_missing_is_said_by_name",
                "tests/carry/salvage.rs::whole_images_are_imported_and_the_others_listed"]),
        case(23, R, "a volume of another bundle under the right name")
            .vectors(&["volume-of-other"])
            .also(&[
                "tests/bundle/flips.rs::two_bundles_do_not_make_one",
                "tests/media/staging.rs::a_volume_of_another_bundle_is_not_staged",
            ]),
        case(24, P, "volumes in any order, in several directories, twice")
            .live(medium::volumes_anywhere)
            .also(&["tests/media/staging.rs::in_any_order_and_again_until_nothing_is_missing"]),
        case(25, R, "a byte more or less")
            .vectors(&["blob-long", "blob-short", "sums-long", "archive-truncated"])
            .vectors(&["archive-trailing"])
            .also(&["tests/bundle/flips.rs::every_length_of_every_file_counts"]),
        case(26, RP, "a link, pipe, socket or device where a file should be; a second name of a file is a file")
            .live(medium::no_files)
            .live(medium::second_names)
            .vectors(&["archive-link", "archive-hard-link", "archive-device"])
            .also(&[
                "tests/vectors/live.rs::a_link_to_the_right_blobs_is_refused",
                "tests/trust/packagings.rs::a_link_in_the_place_of_a_document_is_refused",
            ]),
        case(27, RP, "names that one file system holds apart and another does not: none is written or taken")
            .vectors(&["blob-upper-case"])
            .live(medium::names_in_lower_case)
            .also(&["tests/media/filesystems.rs::fat_takes_every_name"]),
        case(28, RP, "a medium that can only be read passes; one that is named as the target is left alone")
            .live(medium::read_only)
            .live(medium::named_as_target),
        case(29, S, "the medium is pulled out while it is read").live(crash::medium_pulled)
            .also(&["tests/interrupted/imports.rs::faults_at_some_calls"]),
        case(30, R, "an archive with PAX or GNU headers, `../`, `/`, NUL, or a name twice")
            .vectors(&["archive-pax", "archive-gnu-long-name", "archive-parent"])
            .vectors(&["archive-absolute", "archive-dot", "archive-second-index"])
            .live(medium::name_goes_on_behind_nul),
    ]
}

fn protection() -> Vec<Case> {
    vec![
        case(31, P, "damage up to what parity mends").live(parity::up_to_the_limit).also(&[
            "tests/parity/damage.rs::all_that_parity_repairs_in_every_group",
            "tests/parity/damage.rs::a_run_of_bad_sectors_anywhere",
            "tests/parity/damage.rs::files_are_lost",
        ]),
        case(32, R, "one block more than parity mends: what is lost is named, with its images")
            .live(parity::past_the_limit)
            .also(&[
                "tests/parity/damage.rs::one_block_more_than_parity_repairs",
                "tests/parity/damage.rs::the_images_that_are_lost_are_named",
            ]),
        case(33, P, "the parity itself is damaged").live(parity::damaged_parity).also(&[
            "tests/parity/parity.rs::every_page_of_the_index_has_another_copy",
            "tests/parity/parity.rs::parity_with_bad_sectors_still_repairs",
            "tests/parity/parity.rs::parity_that_was_cut_off_or_goes_on",
        ]),
        case(34, R, "parity of another bundle")
            .live(parity::parity_of_another)
            .also(&["tests/parity/foreign.rs::parity_of_another_bundle_is_refused"]),
        case(35, P, "sectors that cannot be read, mended by parity")
            .live(parity::unreadable_sectors)
            .also(&[
                "tests/parity/sectors.rs::sectors_that_cannot_be_read_are_repaired",
                "tests/parity/sectors.rs::a_file_that_cannot_be_read_at_all",
            ]),
        case(36, P, "a whole volume is gone, and one of parity is there")
            .live(parity::volume_is_lost)
            .also(&["tests/parity/volumes.rs::any_two_of_all_volumes_may_be_lost"]),
    ]
}

fn contents() -> Vec<Case> {
    vec![
        case(
            37,
            R,
            "a frame that holds more than it says (10 GiB in 320 KiB), or says that it holds a TiB",
        )
        .vectors(&["pack-bomb", "pack-frame-huge", "catalog-bomb", "catalog-window"])
        .live(content::bombs),
        case(38, R, "one pack in the place of another")
            .vectors(&["pack-other-content"])
            .live(content::packs_swapped),
        case(39, R, "extents past the end, past the largest number, of nothing")
            .vectors(&["extent-past-end", "extent-overflows", "extent-empty"])
            .vectors(&["extent-of-nothing", "extents-none"]),
        case(40, R, "a layer that comes out with another digest").vectors(&[
            "coding-other-encoder",
            "coding-other-header",
            "extents-out-of-order",
        ]),
        case(41, R, "any single bit of a small bundle is another")
            .live(content::bits)
            .also(&["tests/bundle/flips.rs::every_bit_of_a_directory_counts"]),
    ]
}

fn documents() -> Vec<Case> {
    vec![
        case(42, R, "`manifests` and `layers` in one document")
            .vectors(&["manifest-with-manifests"]),
        case(43, R, "a document calls itself something else than its descriptor does")
            .vectors(&["manifest-other-media-type"]),
        case(44, R, "a key twice, also in escapes or another case")
            .vectors(&["manifest-duplicate-key", "manifest-escaped-key", "manifest-other-case"])
            .vectors(&["lading-duplicate-key"]),
        case(45, R, "digests that climb, in upper case, short, of an unknown algorithm")
            .vectors(&["manifest-bad-digest", "lading-bad-digest", "blob-other-algorithm"])
            .live(content::digests),
        case(46, R, "sizes that lie, are negative, or larger than any number")
            .vectors(&["manifest-negative-size", "index-other-size", "image-other-bytes"])
            .live(content::sizes),
        case(47, P, "`urls` in a descriptor: nothing is fetched").live(content::urls),
        case(48, R, "an index in itself, indexes 1,000 deep, JSON 100,000 deep, an index of 100,000 documents")
            .live(export::deep_and_wide)
            .live(content::nested_json),
        case(49, R, "an `index.json` of a GiB: refused at the cap, in less memory than that")
            .live(content::huge_index)
            .live(export::huge_index),
        case(50, R, "a foreign archive with `../`, absolute names, links that lead out")
            .live(export::archives_that_climb),
        case(51, R, "a foreign archive whose PAX size is not that of the header")
            .live(export::other_pax_size),
        case(52, R, "a foreign archive that ends within a member").live(export::cut_archive),
    ]
}

fn crashes() -> Vec<Case> {
    vec![
        case(53, S, "an export that is killed at any system call: no seal before all is there")
            .live(crash::export_killed)
            .also(&[
                "tests/interrupted/kills.rs::killed_at_a_thousand_calls",
                "tests/media/spreading.rs::killed_it_goes_on_and_no_seal_comes_before_the_last_volume",
            ]),
        case(54, S, "an import that is killed: no tag before its blobs")
            .live(crash::import_killed)
            .also(&[
                "tests/interrupted/imports.rs::killed_at_a_thousand_calls",
                "tests/interrupted/registries.rs::killed_at_hundreds_of_calls",
                "tests/interrupted/registries.rs::an_upload_goes_on_in_the_middle_of_a_blob",
            ]),
        case(55, S, "no space left at any write").live(crash::no_space).also(&[
            "tests/bundle/failures.rs::a_medium_that_is_full",
            "tests/media/filesystems.rs::a_full_disk_seals_nothing_and_with_more_room_it_goes_on",
            "tests/interrupted/imports.rs::faults_at_many_calls",
        ]),
        case(56, S, "what was written cannot be synced: nothing is sealed or tagged")
            .live(crash::no_sync)
            .also(&[
                "tests/interrupted/kills.rs::faults_at_many_calls",
                "tests/interrupted/imports.rs::faults_at_some_calls",
            ]),
        case(57, R, "two imports at once: the second is refused").live(crash::two_imports).also(&[
            "tests/replay/broken.rs::of_two_imports_at_once_one_is_refused",
            "tests/interrupted/imports.rs::a_store_where_another_import_works_is_left_alone",
            "tests/interrupted/registries.rs::two_imports_into_one_registry_at_once",
        ]),
        case(58, P, "the lock of a process that is dead").live(crash::stale_lock).also(&[
            "tests/interrupted/imports.rs::a_store_where_another_import_works_is_left_alone",
        ]),
        case(
            59,
            R,
            "an audit log that was edited, cut or put in another order: the first bad record",
        )
        .live(log::edited_cut_or_reordered)
        .also(&[
            "tests/evidence/damage.rs::the_first_bad_record_is_named",
            "tests/evidence/damage.rs::a_checkpoint_that_was_kept_shows_what_a_new_one_hides",
            "src/audit/tests.rs::the_first_bad_record_is_found",
        ]),
        case(60, RP, "line feeds and escape codes in names: shown as escapes")
            .live(export::names_with_escapes)
            .also(&[
                "tests/bundle/shown.rs::nothing_shown_is_obeyed_by_a_terminal",
                "tests/evidence/log.rs::nothing_in_a_name_is_obeyed_and_no_secret_is_written",
            ]),
        case(61, R, "an audit log that cannot be written: nothing is begun")
            .live(log::cannot_be_written)
            .also(&[
                "tests/evidence/damage.rs::without_a_log_nothing_begins",
                "tests/evidence/damage.rs::a_full_disk_is_found_before_the_start",
                "tests/evidence/damage.rs::a_full_file_system_is_found_before_the_start",
            ]),
    ]
}
