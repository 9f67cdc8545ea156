"""What can be wrong with a request about oneself."""

from shared.errors import Conflict


class SpacesNeedAnOwner(Conflict):
    """Others would be left in spaces that nobody may manage; `spaces` names them."""

    code = "spaces_need_an_owner"
    title = "Hand your shared spaces over first"
    default_detail = "You are the last owner of spaces that others are in. Make one of them an owner, or delete the space; then erase your account."
