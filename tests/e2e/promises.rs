//! What the former service promised about taking records in, and the tests that hold Weir to it.

use std::collections::BTreeMap;
use std::path::Path;

/// A promise, and the tests that prove it, `module::test`.
type Promise = (&'static str, &'static [&'static str]);

const INPUTS: &[Promise] = &[
    ("a batch endpoint", &["ingest_shapes::a_bare_array_of_records_is_accepted_and_counted"]),
    (
        "an envelope with collector and format flows.v1",
        &[
            "ingest_shapes::an_envelope_names_its_collector_and_every_row_of_it_says_so",
            "ingest_shapes::the_format_may_be_called_type_and_the_members_of_an_envelope_may_come_in_any_order",
        ],
    ),
    (
        "zeek.conn.v1 with underscores, and the other spellings of the format",
        &[
            "ingest_zeek::an_envelope_of_zeek_conn_with_underscores_is_accepted_under_every_name_of_its_format",
        ],
    ),
    (
        "names of DNS against the indicators",
        &["ingest_zeek::a_name_that_was_asked_for_is_matched_against_the_indicators"],
    ),
    ("Zeek's ssl.log", &["ingest_zeek::the_server_name_of_an_ssl_log_is_a_domain_for_the_indicators"]),
    ("a bare array", &["ingest_shapes::a_bare_array_of_records_is_accepted_and_counted"]),
    ("a wrapper of records alone", &["ingest_shapes::a_wrapper_without_collector_or_format_is_accepted"]),
    (
        "Zeek's dotted names, enriched",
        &[
            "ingest_zeek::dotted_underscored_and_nested_names_of_zeek_make_equal_rows",
            "ingest_zeek::the_dotted_names_of_zeek_are_enriched_on_its_own_route",
        ],
    ),
    (
        "NetFlow JSON",
        &["ingest_netflow::a_record_with_timestamp_and_a_numeric_protocol_is_accepted_and_normalised"],
    ),
    (
        "the names of exporters' tools",
        &[
            "ingest_netflow::one_flow_in_the_names_of_every_tool_makes_equal_rows",
            "ingest_netflow::real_output_of_nfdump_pmacct_and_goflow2_is_accepted_to_the_last_record",
        ],
    ),
    (
        "the Zeek route in every shape",
        &["ingest_zeek::the_zeek_route_takes_an_array_a_wrapper_one_object_and_lines"],
    ),
    ("the NetFlow route", &["ingest_netflow::the_netflow_route_needs_a_time_and_both_addresses"]),
    ("the bulk route", &["ingest_netflow::the_bulk_route_takes_both_types_and_refuses_others"]),
    ("unknown fields are kept", &["ingest_shapes::an_unknown_field_stays_with_the_stored_record"]),
    ("times in every unit", &["ingest_shapes::seconds_milliseconds_and_rfc_3339_text_are_the_same_instant"]),
    (
        "protocols as name or number",
        &["ingest_shapes::a_protocol_is_a_name_in_any_case_or_a_number_under_either_member"],
    ),
    ("schemas are listed", &["ingest_shapes::the_schemas_are_listed_and_each_is_served"]),
    ("schemas hold", &["ingest_shapes::samples_and_stored_rows_fit_the_schemas_and_broken_ones_do_not"]),
    ("samples can be posted", &["ingest_shapes::the_samples_that_weir_ships_are_accepted"]),
    ("what is left out is no setting", &["ingest_shapes::what_weir_does_not_do_is_no_setting"]),
    (
        "exports over UDP",
        &[
            "collect_exporters::netflow_v5_of_softflowd_arrives_whole",
            "collect_exporters::netflow_v9_of_softflowd_arrives_whole",
            "collect_exporters::ipfix_of_softflowd_arrives_whole_and_without_a_false_gap",
        ],
    ),
];

const LIMITS: &[Promise] = &[
    (
        "a record has a time",
        &["ingest_errors::a_batch_without_any_time_is_refused_with_the_names_that_a_time_may_have"],
    ),
    (
        "5 MiB a body, and a bound when it is inflated",
        &[
            "ingest_limits::a_body_of_5_mib_is_accepted_and_one_octet_more_is_too_much",
            "ingest_limits::two_hundred_kilobytes_that_inflate_to_200_mb_are_refused_with_flat_memory",
            "ingest_limits::zstd_bombs_are_refused_with_flat_memory",
            "ingest_limits::more_than_64_mib_of_inflated_text_are_refused_however_honestly_they_are_packed",
        ],
    ),
    (
        "10,000 records a batch",
        &["ingest_limits::ten_thousand_records_fit_in_a_request_and_one_more_refuses_it_whole"],
    ),
    (
        "UTF-8 and JSON",
        &[
            "ingest_errors::octets_that_are_not_utf_8_are_refused",
            "ingest_errors::text_that_is_not_json_is_refused_whole",
        ],
    ),
    (
        "the client's faults are 4xx",
        &[
            "ingest_errors::gzip_that_is_damaged_cut_or_none_is_the_clients_fault",
            "ingest_errors::an_array_of_what_are_no_objects_is_the_clients_fault",
        ],
    ),
    ("no empty batch", &["ingest_errors::an_empty_batch_is_refused_in_every_shape"]),
    ("gzip by header", &["ingest_shapes::a_body_that_says_it_is_gzip_is_inflated"]),
    ("gzip by magic number", &["ingest_shapes::gzip_is_found_by_its_magic_number_without_a_header"]),
    ("a bounded queue", &["ingest_queue::a_full_queue_refuses_a_batch_whole_and_a_retry_stores_it_once"]),
    (
        "429, whole or not at all",
        &[
            "ingest_queue::a_full_queue_refuses_a_batch_whole_and_a_retry_stores_it_once",
            "ingest_queue::a_batch_that_fits_in_part_is_not_taken_in_part",
        ],
    ),
    (
        "errors have a detail",
        &[
            "ingest_errors::every_refusal_is_counted_by_its_reason",
            "ingest_errors::json_of_another_kind_is_refused_with_a_hint",
        ],
    ),
    (
        "partly good batches",
        &[
            "ingest_errors::of_a_batch_that_is_bad_in_parts_the_good_records_are_kept_and_the_first_three_bad_ones_told",
        ],
    ),
    (
        "failures behind the answer do not harm it",
        &["ingest_queue::a_record_that_cannot_be_kept_harms_neither_the_answer_nor_its_neighbours"],
    ),
    (
        "settings over the API are checked",
        &["export_hec::an_output_is_checked_stored_and_shown_without_its_secret"],
    ),
    (
        "search parameters are checked",
        &["ingest_errors::bad_parameters_of_a_search_are_named_without_a_trace_of_the_inside"],
    ),
    ("nothing of the inside is told", &["ingest_errors::a_failure_inside_is_told_by_a_trace_id_alone"]),
    ("pages of results", &["ingest_errors::a_search_is_paged_and_bounded_in_time"]),
];

const DEAD_LETTERS: &[Promise] = &[
    (
        "what cannot be processed is kept",
        &["dead_letters::a_record_that_cannot_be_stored_becomes_a_letter_that_says_why"],
    ),
    (
        "what cannot be exported is kept",
        &["export_hec::while_the_collector_is_down_rows_are_stored_and_later_delivered_in_order"],
    ),
    ("letters go after their days", &["dead_letters::letters_older_than_their_days_go"]),
    (
        "the system answer tells of letters",
        &["dead_letters::the_state_of_dead_letters_is_part_of_the_system_answer"],
    ),
    ("letters by tenant", &["dead_letters::each_tenant_has_letters_of_its_own"]),
    (
        "replay",
        &[
            "dead_letters::letters_are_replayed_once_what_was_in_their_way_is_gone",
            "dead_letters::killed_in_mid_replay_each_letter_is_stored_exactly_once",
        ],
    ),
    (
        "an outage of the receiver stops nothing",
        &["export_hec::while_the_collector_is_down_rows_are_stored_and_later_delivered_in_order"],
    ),
];

#[test]
fn every_promise_has_its_tests() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("e2e");
    let mut sources = BTreeMap::new();
    let main = std::fs::read_to_string(folder.join("main.rs")).expect("it is being compiled");
    for (promise, tests) in [INPUTS, LIMITS, DEAD_LETTERS].concat() {
        assert!(!tests.is_empty(), "nothing proves: {promise}");
        for test in tests {
            let (module, name) = test.split_once("::").expect("module::test");
            assert!(main.contains(&format!("mod {module};")), "{promise}: {module} is not compiled");
            let source: &String = sources.entry(module).or_insert_with(|| {
                std::fs::read_to_string(folder.join(format!("{module}.rs"))).expect("a module is a file")
            });
            assert!(
                source.contains(&format!("#[test]\nfn {name}() {{")),
                "{promise}: there is no test {test}"
            );
        }
    }
}
