DROP FUNCTION maru.forget_old_answers();
DROP TABLE maru.answer_cache, maru.messages, maru.conversations;
