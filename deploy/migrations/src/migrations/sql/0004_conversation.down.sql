DROP TABLE maru.answer_cache, maru.messages, maru.conversations;
