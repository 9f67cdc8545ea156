"""What can be wrong with a request about conversations."""

from shared.errors import Conflict, NotFound


class ConversationNotFound(NotFound):
    """No such conversation, or somebody else's."""

    code = "conversation_not_found"
    default_detail = "There is no such conversation, or it is not yours."


class SpaceNotFound(NotFound):
    """A space that is named is not this person's to read."""

    code = "space_not_found"
    default_detail = "One of `space_ids` does not exist, or you do not belong to it."


class AnswerInProgress(Conflict):
    """One answer at a time; `stream_id` names the running one."""

    code = "answer_in_progress"
    title = "An answer is being written"
    default_detail = "This conversation is still being answered. Follow or cancel GET/POST /api/v1/streams/{stream_id}, then ask again."
