DROP FUNCTION maru.entries_after(uuid, int), maru.stalled_entries(interval, int), maru.expired_uploads(int), maru.restart_entry(uuid, uuid),
  maru.merge_insights(uuid), maru.read_entry(uuid, uuid), maru.entry_document(uuid, int);
DROP TABLE maru.parked_messages, maru.insight_corrections, maru.insights, maru.text_statistics, maru.embedding_cache, maru.chunks, maru.entry_steps,
  maru.entry_files, maru.entry_versions, maru.entries, maru.uploads, maru.people;
DROP FUNCTION maru.count_new_chunks(), maru.forget_old_chunks();
