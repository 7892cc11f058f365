# Who may do what with the clinical data and their metadata.
#
# Source: ProCancer-I deliverable D4.4, section 5.2.2: the roles, the scopes, and the test policy
# "prostatenet.rbac" printed there. Two things differ from that print. The token is verified before this
# policy is asked, so it is not read here. And the answer is not only yes or no, but whose data: D4.4 names
# the rule that uploaded data are managed by those who uploaded them as the next step, and here it is taken.
#
# What the service asks:
#   input.action         "read", "write" (upload) or "withdraw" (remove for good)
#   input.scope          the scope that the action needs
#   input.scopes         the scopes of the token: what its holder let this client do
#   input.roles          the roles of the token (its claim "wlcg.groups"): who its holder is
#   input.subject        who that is
#   input.organisation   the organisation that its holder works for, or null
#
# What it is answered, as "reach":
#   "none"   refused
#   "own"    allowed, for what the holder's own organisation uploaded and for nothing else
#   "all"    allowed, whoever uploaded it

package prostatenet.rbac

# By default any access is denied.
default reach := "none"

# What each role may do, and with whose data. A role that is not listed may do nothing.
permissions := {
	# Those who run the platform.
	"admins": {"read": "all", "write": "all", "withdraw": "all"},

	# Those who train and test models read everything and change nothing.
	"modellers": {"read": "all"},

	# Clinical sites and those who process images upload data, and read and withdraw
	# what their own organisation uploaded.
	"data-providers": {"read": "own", "write": "own", "withdraw": "own"},

	# Everybody who has an account. That alone opens no patient's data.
	"users": {},
}

# The scope that each action needs.
scopes := {
	"read": "metadata:read",
	"write": "metadata:write",
	"withdraw": "metadata:write",
}

# The token carries the scope, and it is the one that the action needs.
in_scope if {
	input.scope == scopes[input.action]
	some granted in input.scopes
	granted == input.scope
}

# Whose data the roles of the token open for this action.
opened contains whose if {
	some role in input.roles
	whose := permissions[role][input.action]
}

# The widest of them counts.
reach := "all" if {
	in_scope
	"all" in opened
}

reach := "own" if {
	in_scope
	"own" in opened
	not "all" in opened
}
