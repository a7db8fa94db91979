//! What Weir promises, one module per promise, tried on the program itself.
//!
//! The program is found as `weir_tests::meter::binary` says. Tests that need root, a browser or the corpora say so and
//! are skipped without them, except where `CI=true`.

mod arm;
mod bad_input;
mod clock;
mod collect_corpora;
mod collect_exporters;
mod collect_files;
mod collect_flood;
mod collect_listen;
mod collect_loss;
mod collect_restart;
mod dead_letters;
mod display;
mod download;
mod export_hec;
mod flows;
mod full_disk;
mod generators;
mod hunt;
mod ingest_errors;
mod ingest_idempotency;
mod ingest_limits;
mod ingest_load;
mod ingest_netflow;
mod ingest_queue;
mod ingest_shapes;
mod ingest_zeek;
mod kill;
mod live;
mod memory;
mod meter_corpora;
mod meter_formats;
mod meter_timeouts;
mod meter_truth;
mod missing_interface;
mod page;
mod promises;
mod query_command;
mod selftest;
mod start_config;
mod start_data;
mod start_rights;
mod stop_reload;
mod store_command;
mod support_bundle;
mod top;
mod zeek_files;
mod zeek_follow;
