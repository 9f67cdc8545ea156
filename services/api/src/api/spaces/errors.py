"""What can be wrong with a request about spaces."""

from shared.errors import Conflict, Forbidden, NotFound


class SpaceNotFound(NotFound):
    """No such space, or one the caller is not in."""

    code = "space_not_found"
    default_detail = "There is no such space among yours."


class OwnersOnly(Forbidden):
    """The caller is a member, but not an owner."""

    code = "owners_only"
    default_detail = "Only an owner of this space may do this."


class SpaceIsPersonal(Conflict):
    """A personal space stays one person's."""

    code = "space_personal"
    default_detail = "A personal space can be neither shared nor deleted. Make a shared space."


class LastOwner(Conflict):
    """Nobody would be left who may manage the space."""

    code = "last_owner"
    default_detail = "This is the last owner. Make another member an owner first, or delete the space."


class AlreadyMember(Conflict):
    """The person is in the space."""

    code = "already_member"
    default_detail = "This person is a member already. Change their role instead."


class MemberNotFound(NotFound):
    """Nobody of that id is in the space."""

    code = "member_not_found"
    default_detail = "There is no such member in this space."


class NobodyRegistered(NotFound):
    """The address belongs to no account here."""

    code = "person_not_registered"
    default_detail = "Nobody with this e-mail address has an account here. Ask them to sign up first."


class SpacesTooMany(Conflict):
    """One person owns as many as anybody may."""

    code = "spaces_too_many"
    default_detail = "You are in 200 spaces, which is the limit. Leave or delete one first."
