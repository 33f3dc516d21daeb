import type { GraphQLResolveInfo, GraphQLScalarType, GraphQLScalarTypeConfig } from 'graphql';
import type { UserModel, ConversationModel, ConversationSettingsModel, GroupModel, GroupMemberModel, ActivityModel, NodeModel, ConnectionModel, TopicModel, TopicOnNodeModel, MessageModel, NotificationModel, ReportModel, AuditEntryModel, ReactionSummaryModel, ReadReceiptModel, EventOf } from '../models.ts';
import type { OperationContext } from '../context.ts';
export type Maybe<T> = T | null;
export type InputMaybe<T> = Maybe<T>;
export type Omit<T, K extends keyof T> = Pick<T, Exclude<keyof T, K>>;
export type RequireFields<T, K extends keyof T> = Omit<T, K> & { [P in K]-?: NonNullable<T[P]> };
/** All built-in and custom scalars, mapped to their actual values */
export type Scalars = {
  ID: { input: string; output: string | number; }
  String: { input: string; output: string; }
  Boolean: { input: boolean; output: boolean; }
  Int: { input: number; output: number; }
  Float: { input: number; output: number; }
  /** A moment, ISO 8601 in UTC with milliseconds: `2023-07-15T10:30:00.000Z`. */
  DateTime: { input: Date; output: number; }
  /** Any JSON value. */
  JSON: { input: unknown; output: unknown; }
};

/** One thing that happened on a connection, for admins. */
export type Activity = {
  __typename?: 'Activity';
  /** `ok` or the code of the error; null where nothing can fail. */
  code?: Maybe<Scalars['String']['output']>;
  /** Null for a single HTTP request. */
  connectionId?: Maybe<Scalars['ID']['output']>;
  /** What was said; null unless contents were asked for. */
  content?: Maybe<Scalars['JSON']['output']>;
  conversationId?: Maybe<Scalars['ID']['output']>;
  kind: ActivityKind;
  name: Scalars['String']['output'];
  /** The node that it happened on. */
  node: Scalars['ID']['output'];
  /** How many entries were left out before this one, since there were too many. */
  skipped: Scalars['Int']['output'];
  timestamp: Scalars['DateTime']['output'];
  user: User;
};

export type ActivityKind =
  /** An entry came into the audit log: the user is the admin, or whom it concerns; the name is the action. */
  | 'AUDIT'
  /** A connection closed; the name is the protocol. */
  | 'CLOSED'
  /** An event was delivered; the name is its kind. */
  | 'DELIVERY'
  /** A frame of the legacy protocol came; the name is its type. */
  | 'FRAME'
  /** A connection opened; the name is the protocol. */
  | 'OPENED'
  /** A query or mutation was executed, or a subscription opened; the name is the operation's. */
  | 'OPERATION'
  /** The user reported a message, or one of the user's was reported. */
  | 'REPORT';

/** What an admin did, or whose conversation one read. Nothing changes or removes it but its age. */
export type AuditEntry = {
  __typename?: 'AuditEntry';
  /** The mutation's, query's or subscription's field. */
  action: Scalars['String']['output'];
  /** The admin. */
  actor: User;
  /** The arguments, without contents and tokens. */
  details: Scalars['JSON']['output'];
  /** Decimal string; grows with time. */
  id: Scalars['ID']['output'];
  targetId?: Maybe<Scalars['ID']['output']>;
  /** A type of this schema: what `targetId` is the id of. */
  targetType: Scalars['String']['output'];
  timestamp: Scalars['DateTime']['output'];
};

/** A page of the audit log. */
export type AuditEntryConnection = {
  __typename?: 'AuditEntryConnection';
  /** The entries with their cursors. */
  edges: Array<AuditEntryEdge>;
  /** Where the page lies. */
  pageInfo: PageInfo;
};

/** An entry in a page. */
export type AuditEntryEdge = {
  __typename?: 'AuditEntryEdge';
  /** Opaque; what `after` takes. */
  cursor: Scalars['String']['output'];
  /** The entry. */
  node: AuditEntry;
};

/** The viewer blocked or unblocked somebody on some device; to the viewer's own connections. */
export type BlockChanged = Event & {
  __typename?: 'BlockChanged';
  /** Whether the viewer has blocked the user now. */
  blocked: Scalars['Boolean']['output'];
  /** Position in the event log, the cursor to resume after. */
  id?: Maybe<Scalars['ID']['output']>;
  /** When. */
  timestamp: Scalars['DateTime']['output'];
  /** Whom. */
  user: User;
};

/** A live connection of a user, for admins. */
export type ClientConnection = {
  __typename?: 'ClientConnection';
  /** The client's, as a trusted proxy tells it. */
  address: Scalars['String']['output'];
  /** When its token expires. */
  expiresAt: Scalars['DateTime']['output'];
  id: Scalars['ID']['output'];
  /** The node that it is on. */
  node: Scalars['ID']['output'];
  /** `legacy`, `graphql-ws` or `sse`. */
  protocol: Scalars['String']['output'];
  /** Bytes that wait for the client to read. */
  queue: Scalars['Int']['output'];
  since: Scalars['DateTime']['output'];
  user: User;
};

/** The nodes of this installation, for admins. */
export type Cluster = {
  __typename?: 'Cluster';
  /** Those that live, the oldest first. */
  nodes: Array<ClusterNode>;
};

/** One server process. */
export type ClusterNode = {
  __typename?: 'ClusterNode';
  /** Open connections of all protocols. */
  connections: Scalars['Int']['output'];
  /** Made anew at each start. */
  id: Scalars['ID']['output'];
  /** How late its event loop was, the 99th percentile since somebody asked before, in milliseconds. */
  lag: Scalars['Float']['output'];
  /** The share of a core that it used since somebody asked before. */
  load: Scalars['Float']['output'];
  /** Open connections by protocol. */
  protocols: Array<ProtocolCount>;
  startedAt: Scalars['DateTime']['output'];
  /** How many topics it listens to. */
  topics: Scalars['Int']['output'];
  /** The version of Parley that it runs. */
  version: Scalars['String']['output'];
};

/** A direct conversation of two users or the conversation of a group. */
export type Conversation = {
  __typename?: 'Conversation';
  /** The group; null for a direct conversation. */
  group?: Maybe<Group>;
  /** `direct_<lower user id>_<higher user id>` or `group_<group id>`; imported conversations keep the id they came with. */
  id: Scalars['ID']['output'];
  /** Whether this is a group's conversation. */
  isGroup: Scalars['Boolean']['output'];
  /** The latest message that the viewer may read; null where there is none, and for a viewer who is not a member. */
  lastMessage?: Maybe<Message>;
  /** The members, by user id. NOT_FOUND for a viewer who is not one of them; within an event, empty. */
  members: UserConnection;
  /**
   * The history, newest first; where the group hides it from new members, from the viewer's joining on. NOT_FOUND for a viewer who is not a
   * member; within an event, empty.
   */
  messages: MessageConnection;
  /** The newest message up to which the viewer has read everything of others; null where nothing was read. */
  readUpTo?: Maybe<Scalars['ID']['output']>;
  /** How the viewer keeps it. */
  settings: ConversationSettings;
  /** Messages of others that the viewer has not read, deleted ones left out. What was there when the viewer joined a group counts as read. */
  unreadCount: Scalars['Int']['output'];
  /** Unread messages that mention the viewer, by name or with all; 0 while the viewer has muted the conversation. */
  unreadMentionCount: Scalars['Int']['output'];
};


/** A direct conversation of two users or the conversation of a group. */
export type ConversationMembersArgs = {
  after?: InputMaybe<Scalars['String']['input']>;
  first?: InputMaybe<Scalars['Int']['input']>;
};


/** A direct conversation of two users or the conversation of a group. */
export type ConversationMessagesArgs = {
  after?: InputMaybe<Scalars['String']['input']>;
  first?: InputMaybe<Scalars['Int']['input']>;
};

/** A page of conversations. */
export type ConversationConnection = {
  __typename?: 'ConversationConnection';
  /** The conversations with their cursors. */
  edges: Array<ConversationEdge>;
  /** Where the page lies. */
  pageInfo: PageInfo;
};

/** A conversation in a page. */
export type ConversationEdge = {
  __typename?: 'ConversationEdge';
  /** Opaque; what `after` takes. */
  cursor: Scalars['String']['output'];
  /** The conversation. */
  node: Conversation;
};

/** Which conversations a list has; archived ones are in none but their own. */
export type ConversationFilter =
  /** All that are not archived. */
  | 'ALL'
  /** The archived ones. */
  | 'ARCHIVED'
  /** Those with unread mentions of the viewer that are not muted. */
  | 'MENTIONED'
  /** Those with unread messages. */
  | 'UNREAD';

/** The viewer read a conversation, or marked it unread, on some device; to the viewer's own connections, once for each request that changed something. */
export type ConversationRead = Event & {
  __typename?: 'ConversationRead';
  /** Which conversation. */
  conversationId: Scalars['ID']['output'];
  /** Position in the event log, the cursor to resume after. */
  id?: Maybe<Scalars['ID']['output']>;
  /** `Conversation.readUpTo` after the change. */
  readUpTo?: Maybe<Scalars['ID']['output']>;
  /** When. */
  timestamp: Scalars['DateTime']['output'];
  /** `Conversation.unreadCount` after the change. */
  unreadCount: Scalars['Int']['output'];
  /** `Conversation.unreadMentionCount` after the change. */
  unreadMentionCount: Scalars['Int']['output'];
};

/** How a user keeps a conversation; nobody else sees it. */
export type ConversationSettings = {
  __typename?: 'ConversationSettings';
  /** Whether it is left out of `conversations`. A later message takes it back, the user's own too, unless it is muted then. */
  archived: Scalars['Boolean']['output'];
  /** Until when the user wants no device push for it and no count of mentions; null: not muted. */
  mutedUntil?: Maybe<Scalars['DateTime']['output']>;
  /** Whether it comes first in `conversations`. */
  pinned: Scalars['Boolean']['output'];
};

/** The viewer changed how they keep a conversation, on some device; to the viewer's own connections. */
export type ConversationSettingsChanged = Event & {
  __typename?: 'ConversationSettingsChanged';
  /** Which conversation. */
  conversationId: Scalars['ID']['output'];
  /** Position in the event log, the cursor to resume after. */
  id?: Maybe<Scalars['ID']['output']>;
  /** The settings after the change. */
  settings: ConversationSettings;
  /** When. */
  timestamp: Scalars['DateTime']['output'];
};

/** What to change of how the viewer keeps a conversation; absent fields stay as they are. */
export type ConversationSettingsInput = {
  /** Whether it is archived, with what is there now. */
  archived?: InputMaybe<Scalars['Boolean']['input']>;
  /** No device push and no count of mentions until then; null: not muted, as is a time that is past. */
  mutedUntil?: InputMaybe<Scalars['DateTime']['input']>;
  /** Whether it comes first. */
  pinned?: InputMaybe<Scalars['Boolean']['input']>;
};

/** A group to create; the viewer becomes its owner. */
export type CreateGroupInput = {
  /** Whether plain members may invite. */
  allowInvitation?: InputMaybe<Scalars['Boolean']['input']>;
  /** Whether plain members may send. */
  allowSendMessages?: InputMaybe<Scalars['Boolean']['input']>;
  /** At most 5000 characters. */
  announcement?: InputMaybe<Scalars['String']['input']>;
  /** http(s) address of a picture. */
  avatar?: InputMaybe<Scalars['String']['input']>;
  /** Whether new members see what was sent before they joined. */
  historyVisible?: InputMaybe<Scalars['Boolean']['input']>;
  /** Whether an owner or admin must approve those who join. */
  joinApprovalRequired?: InputMaybe<Scalars['Boolean']['input']>;
  /** Users who are members from the start, at most 1000. */
  memberIds?: InputMaybe<Array<Scalars['ID']['input']>>;
  /** 1 to 100 characters. */
  name: Scalars['String']['input'];
};

/** What happened on a day of UTC, as far as it is still stored. */
export type DayStatistics = {
  __typename?: 'DayStatistics';
  /** Users who sent, reacted, read or were connected. */
  activeUsers: Scalars['Int']['output'];
  /** `2023-07-15` */
  date: Scalars['String']['output'];
  /** Messages sent. */
  messages: Scalars['Int']['output'];
  /** Conversations that began. */
  newConversations: Scalars['Int']['output'];
  /** Users who were first seen. */
  newUsers: Scalars['Int']['output'];
};

/** How to change a message. */
export type EditMessageInput = {
  /** As in SendMessageInput. */
  content: Scalars['String']['input'];
  /** Where given, must agree with the message's conversation, else NOT_FOUND. */
  isGroup?: InputMaybe<Scalars['Boolean']['input']>;
  /** Absent: as they were; an empty list: none. */
  mentionIds?: InputMaybe<Array<Scalars['ID']['input']>>;
  /** The message. */
  messageId: Scalars['ID']['input'];
};

/** What happened; one type for each push of the legacy protocol. */
export type Event = {
  /** Position in the event log, the cursor to resume after; null for events that are not kept (typing, presence). */
  id?: Maybe<Scalars['ID']['output']>;
  /** When it happened. */
  timestamp: Scalars['DateTime']['output'];
};

/** A group of users with a conversation. */
export type Group = {
  __typename?: 'Group';
  /** Whether plain members may invite. */
  allowInvitation: Scalars['Boolean']['output'];
  /** Whether plain members may send; owner and admins always may. */
  allowSendMessages: Scalars['Boolean']['output'];
  /** What the admins want every member to know; null for those who are not members. */
  announcement?: Maybe<Scalars['String']['output']>;
  /** Address of the group's picture. */
  avatar?: Maybe<Scalars['String']['output']>;
  /** Its conversation; null for those who are not members, as are announcement and members. */
  conversation?: Maybe<Conversation>;
  /** Whether new members see what was sent before they joined; a change is for those who join after it. */
  historyVisible: Scalars['Boolean']['output'];
  /** Decimal string. */
  id: Scalars['ID']['output'];
  /** Whether an owner or admin must approve those who join. */
  joinApprovalRequired: Scalars['Boolean']['output'];
  /** Who waits for approval, earliest first; null for all but owner and admins. */
  joinRequests?: Maybe<Array<User>>;
  /** How many members there are. */
  memberCount: Scalars['Int']['output'];
  /** The members by user id; null for those who are not members. */
  members?: Maybe<GroupMemberConnection>;
  /** The name. */
  name: Scalars['String']['output'];
};


/** A group of users with a conversation. */
export type GroupMembersArgs = {
  after?: InputMaybe<Scalars['String']['input']>;
  first?: InputMaybe<Scalars['Int']['input']>;
};

/** A page of groups. */
export type GroupConnection = {
  __typename?: 'GroupConnection';
  /** The groups with their cursors. */
  edges: Array<GroupEdge>;
  /** Where the page lies. */
  pageInfo: PageInfo;
};

/** A group in a page. */
export type GroupEdge = {
  __typename?: 'GroupEdge';
  /** Opaque; what `after` takes. */
  cursor: Scalars['String']['output'];
  /** The group. */
  node: Group;
};

/** One membership in a group. */
export type GroupMember = {
  __typename?: 'GroupMember';
  /** When the member came in. */
  joinedAt: Scalars['DateTime']['output'];
  /** Until when the member may neither send nor type; null where they may, and for all but the member, owner and admins. */
  mutedUntil?: Maybe<Scalars['DateTime']['output']>;
  /** What the member may do. */
  role: GroupRole;
  /** The member. */
  user: User;
};

/** A page of group members. */
export type GroupMemberConnection = {
  __typename?: 'GroupMemberConnection';
  /** The memberships with their cursors. */
  edges: Array<GroupMemberEdge>;
  /** Where the page lies. */
  pageInfo: PageInfo;
};

/** A membership in a page. */
export type GroupMemberEdge = {
  __typename?: 'GroupMemberEdge';
  /** Opaque; what `after` takes. */
  cursor: Scalars['String']['output'];
  /** The membership. */
  node: GroupMember;
};

/** What a member may do in a group. */
export type GroupRole =
  /** Updates the group, decides join requests, invites, removes plain members and sends where the group is muted. */
  | 'ADMIN'
  /** Reads and sends; invites where the group allows it. */
  | 'MEMBER'
  /** May do everything, hands the group over by giving this role to another member; there is exactly one. */
  | 'OWNER';

/** A group was created, or its info, settings or roles changed; to all members. */
export type GroupUpdated = Event & {
  __typename?: 'GroupUpdated';
  /** The group's announcement as it was then; those who receive the event are members. */
  announcement?: Maybe<Scalars['String']['output']>;
  /** The group as it was then. */
  group: Group;
  /** Position in the event log, the cursor to resume after. */
  id?: Maybe<Scalars['ID']['output']>;
  /** When. */
  timestamp: Scalars['DateTime']['output'];
};

/** What came of asking to join. */
export type JoinStatus =
  /** The viewer is a member. */
  | 'JOINED'
  /** An owner or admin has to approve. */
  | 'PENDING';

/** A user became a member of a group; to all members, the new one included. */
export type MemberJoined = Event & {
  __typename?: 'MemberJoined';
  /** Which group. */
  groupId: Scalars['ID']['output'];
  /** Position in the event log, the cursor to resume after. */
  id?: Maybe<Scalars['ID']['output']>;
  /** How many members there are, after the change. */
  memberCount: Scalars['Int']['output'];
  /** When. */
  timestamp: Scalars['DateTime']['output'];
  /** Who. */
  user: User;
};

/** A user is no longer a member of a group; to the remaining members and the one who left. */
export type MemberLeft = Event & {
  __typename?: 'MemberLeft';
  /** Which group. */
  groupId: Scalars['ID']['output'];
  /** Position in the event log, the cursor to resume after. */
  id?: Maybe<Scalars['ID']['output']>;
  /** How many members there are, after the change. */
  memberCount: Scalars['Int']['output'];
  /** When. */
  timestamp: Scalars['DateTime']['output'];
  /** Who. */
  user: User;
};

/** A stored message. */
export type Message = {
  __typename?: 'Message';
  /** The text; may be empty where there is media, and is where the message is deleted. */
  content: Scalars['String']['output'];
  /** Where it was sent. */
  conversation: Conversation;
  /** When it was deleted: then content is empty, mediaUrl null, and there are no reactions and mentions. */
  deletedAt?: Maybe<Scalars['DateTime']['output']>;
  /** Who deleted it; null where it was not. */
  deletedBy?: Maybe<User>;
  /** When it was last edited; null for one that never was. */
  editedAt?: Maybe<Scalars['DateTime']['output']>;
  /** Decimal string; grows with time. */
  id: Scalars['ID']['output'];
  /** http(s) address of attached media. */
  mediaUrl?: Maybe<Scalars['String']['output']>;
  /** The members that it mentions by name. */
  mentions: Array<User>;
  /** Whether it mentions every member. */
  mentionsAll: Scalars['Boolean']['output'];
  /** `text` or another type that the clients agreed on, `^[a-z][a-z0-9_]{0,31}$`. */
  messageType: Scalars['String']['output'];
  /** The reactions to it, each with its users; empty for a viewer who has left the conversation. */
  reactions: Array<ReactionSummary>;
  /** Who has read it, earliest first; empty for a viewer who has left the conversation. */
  readBy: Array<ReadReceipt>;
  /** Those that answer it, oldest first, deleted ones left out. NOT_FOUND for a viewer who is not a member; within an event, empty. */
  replies: MessageConnection;
  /** How many messages answer this one, deleted ones left out. */
  replyCount: Scalars['Int']['output'];
  /** The message that this one answers, as it is now; null where it answers none, and for a viewer who has left the conversation. */
  replyTo?: Maybe<Message>;
  /** The id of the message that this one answers; null where it answers none. */
  replyToId?: Maybe<Scalars['ID']['output']>;
  /** Who sent it. */
  sender: User;
  /** When it was stored. */
  timestamp: Scalars['DateTime']['output'];
};


/** A stored message. */
export type MessageRepliesArgs = {
  after?: InputMaybe<Scalars['String']['input']>;
  first?: InputMaybe<Scalars['Int']['input']>;
};

/** A page of messages. */
export type MessageConnection = {
  __typename?: 'MessageConnection';
  /** The messages with their cursors. */
  edges: Array<MessageEdge>;
  /** Where the page lies. */
  pageInfo: PageInfo;
};

/** A message was deleted; to all members of its conversation. */
export type MessageDeleted = Event & {
  __typename?: 'MessageDeleted';
  /** Where it was sent. */
  conversationId: Scalars['ID']['output'];
  /** Who deleted it. */
  deletedById: Scalars['ID']['output'];
  /** Position in the event log, the cursor to resume after. */
  id?: Maybe<Scalars['ID']['output']>;
  /** Whether it is a group message. */
  isGroup: Scalars['Boolean']['output'];
  /** The message. */
  messageId: Scalars['ID']['output'];
  /** When it was deleted. */
  timestamp: Scalars['DateTime']['output'];
};

/** A message in a page. */
export type MessageEdge = {
  __typename?: 'MessageEdge';
  /** Opaque; what `after` takes. */
  cursor: Scalars['String']['output'];
  /** The message. */
  node: Message;
};

/** A message was edited; to all members of its conversation. */
export type MessageEdited = Event & {
  __typename?: 'MessageEdited';
  /** Position in the event log, the cursor to resume after. */
  id?: Maybe<Scalars['ID']['output']>;
  /** The message, as it is now. */
  message: Message;
  /** When it was edited. */
  timestamp: Scalars['DateTime']['output'];
};

/** A message was read; to its sender. */
export type MessageRead = Event & {
  __typename?: 'MessageRead';
  /** Position in the event log, the cursor to resume after. */
  id?: Maybe<Scalars['ID']['output']>;
  /** Whether it is a group message. */
  isGroup: Scalars['Boolean']['output'];
  /** The message. */
  messageId: Scalars['ID']['output'];
  /** Who read it. */
  readerId: Scalars['ID']['output'];
  /** When it was read. */
  timestamp: Scalars['DateTime']['output'];
};

/** A message was sent; to all members of its conversation, the sender included. A replay shows the message as it is by then: edited, or deleted. */
export type MessageSent = Event & {
  __typename?: 'MessageSent';
  /** Position in the event log, the cursor to resume after. */
  id?: Maybe<Scalars['ID']['output']>;
  /** The message. */
  message: Message;
  /** When the message was sent; of one that is pushed again, when it was pushed. */
  timestamp: Scalars['DateTime']['output'];
};

/** What can be done. Every change is committed before its mutation answers. */
export type Mutation = {
  __typename?: 'Mutation';
  /** Reacts to a message; a repeat changes nothing. */
  addReaction: ReactionSummary;
  /**
   * Admins only: ends the user's connections everywhere within a second and refuses their tokens until then: 403 at the legacy handshake, FORBIDDEN,
   * close code 4403. A repeat replaces time and reason.
   */
  banUser: User;
  /**
   * From now on the two cannot write, react or type to each other directly (FORBIDDEN to both), and neither sees the other's presence. Groups
   * and what is stored are not touched. A repeat changes nothing. At most 10,000 users of one viewer.
   */
  blockUser: User;
  /** Creates a group that the viewer owns. */
  createGroup: Group;
  /** Lets a user who asked to join in, or not; owner and admins. */
  decideJoinRequest: Group;
  /**
   * Deletes a message for everybody: its sender while a member, owner and admins of a group any of the group's, admins any. Its content, media,
   * reactions and mentions are gone for good, its place stays. A repeat changes nothing.
   */
  deleteMessage: Message;
  /** Admins only: deletes what the user has sent since a time, in all conversations; returns how many messages. */
  deleteMessagesOf: Scalars['Int']['output'];
  /** Admins only: closes the user's connections on every node; returns how many. */
  disconnectUser: Scalars['Int']['output'];
  /**
   * Changes a message of the viewer's, MESSAGE_EDIT_HOURS after it was sent at the longest, by the rules of sending (else FORBIDDEN); a deleted
   * one is NOT_FOUND. The same content and mentions again change nothing.
   */
  editMessage: Message;
  /**
   * Admins only: takes name, avatar, contents, media, reactions, receipts, reports and notifications of the user away for good, from the event log
   * and reports too; the order and number of messages stay, their sender is shown as `user<id>`. The id can't be used again until `upsertUser`.
   * Returns how many messages were emptied. A repeat goes on where one before was interrupted.
   */
  eraseUser: Scalars['Int']['output'];
  /** Brings users in: owner and admins always; members where invitations are allowed, as join requests where approval is required. */
  inviteToGroup: Group;
  /** Joins a group, or asks to where approval is required. A repeat changes nothing. */
  joinGroup: JoinStatus;
  /** Leaves a group. The owner hands it over first while others are in; when the last member leaves, the group is closed. */
  leaveGroup: Scalars['Boolean']['output'];
  /**
   * Marks all messages of others up to this one as read; returns how many were newly read. Receipts are made for those among the newest 1000 of
   * them.
   */
  markConversationRead: Scalars['Int']['output'];
  /**
   * Counts this message and what came after it as unread again, for the viewer alone: receipts stay. From a message that is unread nothing
   * changes. Returns the unread count.
   */
  markConversationUnread: Scalars['Int']['output'];
  /** Marks another user's message as read; a repeat returns the first receipt. */
  markMessageRead: ReadReceipt;
  /** Marks one of the viewer's notifications as read; a repeat changes nothing. */
  markNotificationRead: Notification;
  /** Owner and admins of the group, and admins: a plain member may neither send nor type until then. To be given ADMIN lifts it. */
  muteGroupMember: GroupMember;
  /** Admins only: pushes a group's current info to all members. False where nothing was pushed. */
  pushGroupUpdate: Scalars['Boolean']['output'];
  /** Admins only: pushes that the user joined. False where nothing was pushed. */
  pushMemberJoined: Scalars['Boolean']['output'];
  /** Admins only: pushes that the user left. False where nothing was pushed. */
  pushMemberLeft: Scalars['Boolean']['output'];
  /** Admins only: pushes a stored message to its conversation, as a new event. False where nothing was pushed. */
  pushNewMessage: Scalars['Boolean']['output'];
  /** Admins only: stores a notification for each of the users and pushes it. False where nothing was pushed. */
  pushSystemNotification: Scalars['Boolean']['output'];
  /**
   * Lets the connection that this comes over go on with another token of the same user; returns when that expires. Another
   * user's token is FORBIDDEN, a bad one UNAUTHENTICATED, and then nothing changes.
   */
  refreshToken: Scalars['DateTime']['output'];
  /** Removes a member: owner and admins plain members, only the owner admins. */
  removeGroupMember: Group;
  /** Takes a reaction back; a repeat changes nothing. */
  removeReaction: ReactionSummary;
  /**
   * Reports a message of somebody else to the admins; any member. A repeat changes nothing and returns the first report. The reporter is notified
   * of the decision: `report_resolved` with `reportId`, `messageId` and `status`.
   */
  reportMessage: Report;
  /** Admins only: decides on a report. The same decision again changes nothing, another one is CONFLICT. */
  resolveReport: Report;
  /** Sends a message and returns it as stored. */
  sendMessage: Message;
  /** Sets a member's role, by the owner; role OWNER hands the group over, the old owner becomes ADMIN. */
  setGroupRole: Group;
  /** Says that the viewer began (again) or stopped typing; ends by itself 10 s after the last `true`. */
  setTyping: Scalars['Boolean']['output'];
  /** Admins only: lifts a ban. */
  unbanUser: User;
  /** Takes the viewer's own block back; a repeat changes nothing. */
  unblockUser: User;
  /** Changes how the viewer keeps a conversation; nobody else hears of it. What changes nothing sends no event. */
  updateConversationSettings: Conversation;
  /** Changes a group's info and settings; owner and admins. */
  updateGroup: Group;
  /** Admins only: creates a user, or changes the name and avatar of one; an absent avatar stays as it is. */
  upsertUser: User;
};


/** What can be done. Every change is committed before its mutation answers. */
export type MutationAddReactionArgs = {
  isGroup?: InputMaybe<Scalars['Boolean']['input']>;
  messageId: Scalars['ID']['input'];
  reaction: Scalars['String']['input'];
};


/** What can be done. Every change is committed before its mutation answers. */
export type MutationBanUserArgs = {
  reason: Scalars['String']['input'];
  until?: InputMaybe<Scalars['DateTime']['input']>;
  userId: Scalars['ID']['input'];
};


/** What can be done. Every change is committed before its mutation answers. */
export type MutationBlockUserArgs = {
  userId: Scalars['ID']['input'];
};


/** What can be done. Every change is committed before its mutation answers. */
export type MutationCreateGroupArgs = {
  input: CreateGroupInput;
};


/** What can be done. Every change is committed before its mutation answers. */
export type MutationDecideJoinRequestArgs = {
  approve: Scalars['Boolean']['input'];
  groupId: Scalars['ID']['input'];
  userId: Scalars['ID']['input'];
};


/** What can be done. Every change is committed before its mutation answers. */
export type MutationDeleteMessageArgs = {
  isGroup?: InputMaybe<Scalars['Boolean']['input']>;
  messageId: Scalars['ID']['input'];
};


/** What can be done. Every change is committed before its mutation answers. */
export type MutationDeleteMessagesOfArgs = {
  since: Scalars['DateTime']['input'];
  userId: Scalars['ID']['input'];
};


/** What can be done. Every change is committed before its mutation answers. */
export type MutationDisconnectUserArgs = {
  reason?: InputMaybe<Scalars['String']['input']>;
  revokeBefore?: InputMaybe<Scalars['DateTime']['input']>;
  userId: Scalars['ID']['input'];
};


/** What can be done. Every change is committed before its mutation answers. */
export type MutationEditMessageArgs = {
  input: EditMessageInput;
};


/** What can be done. Every change is committed before its mutation answers. */
export type MutationEraseUserArgs = {
  userId: Scalars['ID']['input'];
};


/** What can be done. Every change is committed before its mutation answers. */
export type MutationInviteToGroupArgs = {
  groupId: Scalars['ID']['input'];
  userIds: Array<Scalars['ID']['input']>;
};


/** What can be done. Every change is committed before its mutation answers. */
export type MutationJoinGroupArgs = {
  groupId: Scalars['ID']['input'];
};


/** What can be done. Every change is committed before its mutation answers. */
export type MutationLeaveGroupArgs = {
  groupId: Scalars['ID']['input'];
};


/** What can be done. Every change is committed before its mutation answers. */
export type MutationMarkConversationReadArgs = {
  conversationId: Scalars['ID']['input'];
  upToMessageId: Scalars['ID']['input'];
};


/** What can be done. Every change is committed before its mutation answers. */
export type MutationMarkConversationUnreadArgs = {
  conversationId: Scalars['ID']['input'];
  fromMessageId: Scalars['ID']['input'];
};


/** What can be done. Every change is committed before its mutation answers. */
export type MutationMarkMessageReadArgs = {
  isGroup?: InputMaybe<Scalars['Boolean']['input']>;
  messageId: Scalars['ID']['input'];
};


/** What can be done. Every change is committed before its mutation answers. */
export type MutationMarkNotificationReadArgs = {
  id: Scalars['ID']['input'];
};


/** What can be done. Every change is committed before its mutation answers. */
export type MutationMuteGroupMemberArgs = {
  groupId: Scalars['ID']['input'];
  until?: InputMaybe<Scalars['DateTime']['input']>;
  userId: Scalars['ID']['input'];
};


/** What can be done. Every change is committed before its mutation answers. */
export type MutationPushGroupUpdateArgs = {
  groupId: Scalars['ID']['input'];
};


/** What can be done. Every change is committed before its mutation answers. */
export type MutationPushMemberJoinedArgs = {
  groupId: Scalars['ID']['input'];
  userId: Scalars['ID']['input'];
};


/** What can be done. Every change is committed before its mutation answers. */
export type MutationPushMemberLeftArgs = {
  groupId: Scalars['ID']['input'];
  userId: Scalars['ID']['input'];
};


/** What can be done. Every change is committed before its mutation answers. */
export type MutationPushNewMessageArgs = {
  isGroup?: Scalars['Boolean']['input'];
  messageId: Scalars['ID']['input'];
};


/** What can be done. Every change is committed before its mutation answers. */
export type MutationPushSystemNotificationArgs = {
  data: Scalars['JSON']['input'];
  notificationType: Scalars['String']['input'];
  userIds: Array<Scalars['ID']['input']>;
};


/** What can be done. Every change is committed before its mutation answers. */
export type MutationRefreshTokenArgs = {
  token: Scalars['String']['input'];
};


/** What can be done. Every change is committed before its mutation answers. */
export type MutationRemoveGroupMemberArgs = {
  groupId: Scalars['ID']['input'];
  userId: Scalars['ID']['input'];
};


/** What can be done. Every change is committed before its mutation answers. */
export type MutationRemoveReactionArgs = {
  isGroup?: InputMaybe<Scalars['Boolean']['input']>;
  messageId: Scalars['ID']['input'];
  reaction: Scalars['String']['input'];
};


/** What can be done. Every change is committed before its mutation answers. */
export type MutationReportMessageArgs = {
  messageId: Scalars['ID']['input'];
  reason: Scalars['String']['input'];
};


/** What can be done. Every change is committed before its mutation answers. */
export type MutationResolveReportArgs = {
  id: Scalars['ID']['input'];
  note?: InputMaybe<Scalars['String']['input']>;
  status: ReportStatus;
};


/** What can be done. Every change is committed before its mutation answers. */
export type MutationSendMessageArgs = {
  input: SendMessageInput;
};


/** What can be done. Every change is committed before its mutation answers. */
export type MutationSetGroupRoleArgs = {
  groupId: Scalars['ID']['input'];
  role: GroupRole;
  userId: Scalars['ID']['input'];
};


/** What can be done. Every change is committed before its mutation answers. */
export type MutationSetTypingArgs = {
  conversationId: Scalars['ID']['input'];
  typing: Scalars['Boolean']['input'];
};


/** What can be done. Every change is committed before its mutation answers. */
export type MutationUnbanUserArgs = {
  userId: Scalars['ID']['input'];
};


/** What can be done. Every change is committed before its mutation answers. */
export type MutationUnblockUserArgs = {
  userId: Scalars['ID']['input'];
};


/** What can be done. Every change is committed before its mutation answers. */
export type MutationUpdateConversationSettingsArgs = {
  conversationId: Scalars['ID']['input'];
  input: ConversationSettingsInput;
};


/** What can be done. Every change is committed before its mutation answers. */
export type MutationUpdateGroupArgs = {
  groupId: Scalars['ID']['input'];
  input: UpdateGroupInput;
};


/** What can be done. Every change is committed before its mutation answers. */
export type MutationUpsertUserArgs = {
  avatar?: InputMaybe<Scalars['String']['input']>;
  id: Scalars['ID']['input'];
  name: Scalars['String']['input'];
};

/** A message of the system to one user, kept until read and after. */
export type Notification = {
  __typename?: 'Notification';
  /** What it says, any JSON object. */
  data: Scalars['JSON']['output'];
  /** Decimal string; grows with time. */
  id: Scalars['ID']['output'];
  /** What kind of notification this is, chosen by the sender. */
  notificationType: Scalars['String']['output'];
  /** When the user marked it read; null before. */
  readAt?: Maybe<Scalars['DateTime']['output']>;
  /** When it was made. */
  timestamp: Scalars['DateTime']['output'];
};

/** A page of notifications. */
export type NotificationConnection = {
  __typename?: 'NotificationConnection';
  /** The notifications with their cursors. */
  edges: Array<NotificationEdge>;
  /** Where the page lies. */
  pageInfo: PageInfo;
};

/** A notification in a page. */
export type NotificationEdge = {
  __typename?: 'NotificationEdge';
  /** Opaque; what `after` takes. */
  cursor: Scalars['String']['output'];
  /** The notification. */
  node: Notification;
};

/** The viewer marked a notification as read, on some device; to the viewer's own connections. */
export type NotificationRead = Event & {
  __typename?: 'NotificationRead';
  /** Position in the event log, the cursor to resume after. */
  id?: Maybe<Scalars['ID']['output']>;
  /** The notification. */
  notification: Notification;
  /** When. */
  timestamp: Scalars['DateTime']['output'];
};

/** The system notified the viewer. */
export type NotificationReceived = Event & {
  __typename?: 'NotificationReceived';
  /** Position in the event log, the cursor to resume after. */
  id?: Maybe<Scalars['ID']['output']>;
  /** The notification. */
  notification: Notification;
  /** When. */
  timestamp: Scalars['DateTime']['output'];
};

/** A user came online or went offline; to those who share a conversation, not kept. */
export type OnlineStatusChanged = Event & {
  __typename?: 'OnlineStatusChanged';
  /** Always null: not kept. */
  id?: Maybe<Scalars['ID']['output']>;
  /** When the user was last connected. */
  lastActive: Scalars['DateTime']['output'];
  /** Whether the user is online now. */
  online: Scalars['Boolean']['output'];
  /** When. */
  timestamp: Scalars['DateTime']['output'];
  /** Who. */
  userId: Scalars['ID']['output'];
};

/** Where a page lies in its list (Relay cursor connections). */
export type PageInfo = {
  __typename?: 'PageInfo';
  /** Cursor of the last edge, null for an empty page; give it as `after` to go on. */
  endCursor?: Maybe<Scalars['String']['output']>;
  /** Whether more follow after `endCursor`. */
  hasNextPage: Scalars['Boolean']['output'];
  /** Whether the page was asked for with `after`, so that others come before it. */
  hasPreviousPage: Scalars['Boolean']['output'];
  /** Cursor of the first edge, null for an empty page. */
  startCursor?: Maybe<Scalars['String']['output']>;
};

export type ProtocolCount = {
  __typename?: 'ProtocolCount';
  count: Scalars['Int']['output'];
  /** `legacy`, `graphql-ws` or `sse`. */
  protocol: Scalars['String']['output'];
};

/** What can be asked. What the viewer may not see is null, or NOT_FOUND where the field can't be null. */
export type Query = {
  __typename?: 'Query';
  /** Admins only: what admins did and read, newest first. */
  auditLog: AuditEntryConnection;
  /** Whom the viewer has blocked, latest first. */
  blockedUsers: UserConnection;
  /** Admins only: the nodes, and how they are. */
  cluster: Cluster;
  /** Admins only: a user's live connections on all nodes. */
  connections: Array<ClientConnection>;
  /**
   * A conversation of the viewer by id; null where there is none or the viewer is not in it. Admins see any, which is written to the audit log:
   * so do `message` and what only members see of a group.
   */
  conversation?: Maybe<Conversation>;
  /**
   * The viewer's conversations, pinned ones first, each by latest activity, empty groups included. While conversations move, a page may miss
   * one, and never repeats one.
   */
  conversations: ConversationConnection;
  /**
   * Admins only: a user's conversations by latest activity, empty groups included. It is written to the audit log, as is each conversation whose
   * messages are selected.
   */
  conversationsOf: ConversationConnection;
  /**
   * The position in the event log that all the rest of this answer reflects, presence aside: `events(after: cursor)` goes on from exactly there, with
   * nothing missing and nothing that the answer already shows. A query that selects it reads one snapshot of the database.
   * Opaque, at most 1024 characters; taken wherever an event's id is: `after` of subscriptions, `resume` and Last-Event-ID of the legacy protocol.
   */
  cursor: Scalars['ID']['output'];
  /** A group by id, also for those who are not members (who see what they need in order to join); null where there is none. */
  group?: Maybe<Group>;
  /** Admins only: groups, by id. */
  groups: GroupConnection;
  /** A message in one of the viewer's conversations; null for any other. */
  message?: Maybe<Message>;
  /** The viewer's notifications, newest first. */
  notifications: NotificationConnection;
  /** Admins only: reported messages, newest first. */
  reports: ReportConnection;
  /**
   * Messages of the viewer's conversations whose content has all the words, newest first: whole words and their beginnings, whatever the case and accents; of
   * scripts written without spaces (Chinese, Japanese, Thai), and emoji, any sequence of characters. At least one argument besides first and after is needed. A
   * message is found two seconds after it was sent, at the latest.
   */
  searchMessages: MessageConnection;
  /** Admins only: whole UTC days, the newest last, which is today so far. */
  statistics: Array<DayStatistics>;
  /** Admins only: a topic of the event log; null where nothing is known of it. */
  topic?: Maybe<Topic>;
  /** A user by id; null where there is none. */
  user?: Maybe<User>;
  /** Admins only: users, by id. */
  users: UserConnection;
  /** The user whose token this is. */
  viewer: User;
};


/** What can be asked. What the viewer may not see is null, or NOT_FOUND where the field can't be null. */
export type QueryAuditLogArgs = {
  action?: InputMaybe<Scalars['String']['input']>;
  actorId?: InputMaybe<Scalars['ID']['input']>;
  after?: InputMaybe<Scalars['String']['input']>;
  first?: InputMaybe<Scalars['Int']['input']>;
  targetId?: InputMaybe<Scalars['ID']['input']>;
};


/** What can be asked. What the viewer may not see is null, or NOT_FOUND where the field can't be null. */
export type QueryBlockedUsersArgs = {
  after?: InputMaybe<Scalars['String']['input']>;
  first?: InputMaybe<Scalars['Int']['input']>;
};


/** What can be asked. What the viewer may not see is null, or NOT_FOUND where the field can't be null. */
export type QueryConnectionsArgs = {
  userId: Scalars['ID']['input'];
};


/** What can be asked. What the viewer may not see is null, or NOT_FOUND where the field can't be null. */
export type QueryConversationArgs = {
  id: Scalars['ID']['input'];
};


/** What can be asked. What the viewer may not see is null, or NOT_FOUND where the field can't be null. */
export type QueryConversationsArgs = {
  after?: InputMaybe<Scalars['String']['input']>;
  filter?: InputMaybe<ConversationFilter>;
  first?: InputMaybe<Scalars['Int']['input']>;
};


/** What can be asked. What the viewer may not see is null, or NOT_FOUND where the field can't be null. */
export type QueryConversationsOfArgs = {
  after?: InputMaybe<Scalars['String']['input']>;
  first?: InputMaybe<Scalars['Int']['input']>;
  userId: Scalars['ID']['input'];
};


/** What can be asked. What the viewer may not see is null, or NOT_FOUND where the field can't be null. */
export type QueryGroupArgs = {
  id: Scalars['ID']['input'];
};


/** What can be asked. What the viewer may not see is null, or NOT_FOUND where the field can't be null. */
export type QueryGroupsArgs = {
  after?: InputMaybe<Scalars['String']['input']>;
  first?: InputMaybe<Scalars['Int']['input']>;
  search?: InputMaybe<Scalars['String']['input']>;
};


/** What can be asked. What the viewer may not see is null, or NOT_FOUND where the field can't be null. */
export type QueryMessageArgs = {
  id: Scalars['ID']['input'];
};


/** What can be asked. What the viewer may not see is null, or NOT_FOUND where the field can't be null. */
export type QueryNotificationsArgs = {
  after?: InputMaybe<Scalars['String']['input']>;
  first?: InputMaybe<Scalars['Int']['input']>;
};


/** What can be asked. What the viewer may not see is null, or NOT_FOUND where the field can't be null. */
export type QueryReportsArgs = {
  after?: InputMaybe<Scalars['String']['input']>;
  first?: InputMaybe<Scalars['Int']['input']>;
  status?: InputMaybe<ReportStatus>;
};


/** What can be asked. What the viewer may not see is null, or NOT_FOUND where the field can't be null. */
export type QuerySearchMessagesArgs = {
  after?: InputMaybe<Scalars['String']['input']>;
  conversationId?: InputMaybe<Scalars['ID']['input']>;
  first?: InputMaybe<Scalars['Int']['input']>;
  hasMedia?: InputMaybe<Scalars['Boolean']['input']>;
  mentionsMe?: InputMaybe<Scalars['Boolean']['input']>;
  senderId?: InputMaybe<Scalars['ID']['input']>;
  sentAfter?: InputMaybe<Scalars['DateTime']['input']>;
  sentBefore?: InputMaybe<Scalars['DateTime']['input']>;
  text?: InputMaybe<Scalars['String']['input']>;
};


/** What can be asked. What the viewer may not see is null, or NOT_FOUND where the field can't be null. */
export type QueryStatisticsArgs = {
  days?: InputMaybe<Scalars['Int']['input']>;
};


/** What can be asked. What the viewer may not see is null, or NOT_FOUND where the field can't be null. */
export type QueryTopicArgs = {
  id: Scalars['ID']['input'];
};


/** What can be asked. What the viewer may not see is null, or NOT_FOUND where the field can't be null. */
export type QueryUserArgs = {
  id: Scalars['ID']['input'];
};


/** What can be asked. What the viewer may not see is null, or NOT_FOUND where the field can't be null. */
export type QueryUsersArgs = {
  after?: InputMaybe<Scalars['String']['input']>;
  banned?: InputMaybe<Scalars['Boolean']['input']>;
  first?: InputMaybe<Scalars['Int']['input']>;
  online?: InputMaybe<Scalars['Boolean']['input']>;
  search?: InputMaybe<Scalars['String']['input']>;
};

/** A reaction was added; to all members of the conversation. */
export type ReactionAdded = Event & {
  __typename?: 'ReactionAdded';
  /** Position in the event log, the cursor to resume after. */
  id?: Maybe<Scalars['ID']['output']>;
  /** Whether it is a group message. */
  isGroup: Scalars['Boolean']['output'];
  /** Whether the message is deleted by now, which a replay can come to. */
  messageDeleted: Scalars['Boolean']['output'];
  /** The message. */
  messageId: Scalars['ID']['output'];
  /** The reaction. */
  reaction: Scalars['String']['output'];
  /** How many users gave this reaction, after the change. */
  reactionCount: Scalars['Int']['output'];
  /** Their ids, ascending. */
  reactionUserIds: Array<Scalars['ID']['output']>;
  /** When it was added. */
  timestamp: Scalars['DateTime']['output'];
  /** Who reacted. */
  userId: Scalars['ID']['output'];
};

/** A reaction was taken back; to all members of the conversation. */
export type ReactionRemoved = Event & {
  __typename?: 'ReactionRemoved';
  /** Position in the event log, the cursor to resume after. */
  id?: Maybe<Scalars['ID']['output']>;
  /** Whether it is a group message. */
  isGroup: Scalars['Boolean']['output'];
  /** Whether the message is deleted by now, which a replay can come to. */
  messageDeleted: Scalars['Boolean']['output'];
  /** The message. */
  messageId: Scalars['ID']['output'];
  /** The reaction. */
  reaction: Scalars['String']['output'];
  /** How many users give this reaction, after the change. */
  reactionCount: Scalars['Int']['output'];
  /** Their ids, ascending. */
  reactionUserIds: Array<Scalars['ID']['output']>;
  /** When it was taken back. */
  timestamp: Scalars['DateTime']['output'];
  /** Who took it back. */
  userId: Scalars['ID']['output'];
};

/** One reaction to a message and who gave it. */
export type ReactionSummary = {
  __typename?: 'ReactionSummary';
  /** How many users gave it. */
  count: Scalars['Int']['output'];
  /** The reaction, such as 👍, as it was first given; 1 to 64 UTF-8 bytes. */
  reaction: Scalars['String']['output'];
  /** Their ids, ascending. */
  userIds: Array<Scalars['ID']['output']>;
};

/** That a user has read a message. */
export type ReadReceipt = {
  __typename?: 'ReadReceipt';
  /** The message. */
  messageId: Scalars['ID']['output'];
  /** When it was first marked read. */
  readAt: Scalars['DateTime']['output'];
  /** Who read it. */
  readerId: Scalars['ID']['output'];
};

/** A message that a member reported to the admins. */
export type Report = {
  __typename?: 'Report';
  /** As it was when it was reported, whatever became of the message. */
  content: Scalars['String']['output'];
  /** Decimal string; grows with time. */
  id: Scalars['ID']['output'];
  /** As it was when it was reported. */
  mediaUrl?: Maybe<Scalars['String']['output']>;
  /** The message as it is now; null once retention took it, and for a reporter who is no longer in its conversation. */
  message?: Maybe<Message>;
  /** What that admin noted; null for those who are no admins. */
  note?: Maybe<Scalars['String']['output']>;
  /** Why, in the reporter's words. */
  reason: Scalars['String']['output'];
  /** Who reported it. */
  reporter: User;
  /** When it was decided; null before. */
  resolvedAt?: Maybe<Scalars['DateTime']['output']>;
  /** The admin who decided; null before, and for those who are no admins. */
  resolvedBy?: Maybe<User>;
  status: ReportStatus;
  /** When it was reported. */
  timestamp: Scalars['DateTime']['output'];
};

/** A page of reports. */
export type ReportConnection = {
  __typename?: 'ReportConnection';
  /** The reports with their cursors. */
  edges: Array<ReportEdge>;
  /** Where the page lies. */
  pageInfo: PageInfo;
};

/** A report in a page. */
export type ReportEdge = {
  __typename?: 'ReportEdge';
  /** Opaque; what `after` takes. */
  cursor: Scalars['String']['output'];
  /** The report. */
  node: Report;
};

/** What became of a report. */
export type ReportStatus =
  /** An admin did something about it. */
  | 'ACTED'
  /** An admin found nothing to do. */
  | 'DISMISSED'
  /** Nobody has decided yet. */
  | 'OPEN';

/** The log no longer reaches back to `after`, or too much was missed: load history by query. */
export type ResumeIncomplete = Event & {
  __typename?: 'ResumeIncomplete';
  /** Always null. */
  id?: Maybe<Scalars['ID']['output']>;
  /** When the resume was asked for. */
  timestamp: Scalars['DateTime']['output'];
};

/** A message to send. */
export type SendMessageInput = {
  /** Idempotency key of the sender, 1 to 64 characters: the same key again gives the message that was stored first. */
  clientMessageId?: InputMaybe<Scalars['String']['input']>;
  /** 1 to 5000 Unicode code points; may be empty where mediaUrl is given. */
  content: Scalars['String']['input'];
  /** The conversation to send to; either this or receiverId. Where both are given, they must agree. */
  conversationId?: InputMaybe<Scalars['ID']['input']>;
  /** Where given, must agree with the conversation, else NOT_FOUND. */
  isGroup?: InputMaybe<Scalars['Boolean']['input']>;
  /** http(s) address of at most 2048 characters. */
  mediaUrl?: InputMaybe<Scalars['String']['input']>;
  /** Mentions every member; owner and admins of a group only. */
  mentionAll?: InputMaybe<Scalars['Boolean']['input']>;
  /** Members of the conversation whom the message mentions, at most 50; others are BAD_USER_INPUT. */
  mentionIds?: InputMaybe<Array<Scalars['ID']['input']>>;
  /** `^[a-z][a-z0-9_]{0,31}$` */
  messageType?: InputMaybe<Scalars['String']['input']>;
  /** The user to send to directly; the first message creates the conversation. */
  receiverId?: InputMaybe<Scalars['ID']['input']>;
  /** The message that this one answers: one of the same conversation that is not deleted, else NOT_FOUND. */
  replyToId?: InputMaybe<Scalars['ID']['input']>;
};

/** What can be listened to: over WebSocket (`graphql-transport-ws`) or server-sent events. */
export type Subscription = {
  __typename?: 'Subscription';
  /**
   * Admins only: a live trace of what happens to a user or in a conversation, for support work. Who watches what is written to the
   * server's log, and with contents to the audit log.
   */
  activity: Activity;
  /** One conversation, members only; ends when the viewer stops being a member. */
  conversationEvents: Event;
  /** All that concerns the viewer, in order; with `after`, first all that was missed since that event. */
  events: Event;
  /** Messages as they are sent, in one conversation or in all of the viewer's. */
  messageSent: Message;
  /** The viewer's notifications as they come. */
  notificationReceived: Notification;
  /** Who comes online and goes offline among those who share a conversation with the viewer. */
  onlineStatus: OnlineStatusChanged;
  /** Who begins and stops typing in a conversation, the viewer excepted. */
  typing: TypingChanged;
};


/** What can be listened to: over WebSocket (`graphql-transport-ws`) or server-sent events. */
export type SubscriptionActivityArgs = {
  contents?: InputMaybe<Scalars['Boolean']['input']>;
  conversationId?: InputMaybe<Scalars['ID']['input']>;
  userId?: InputMaybe<Scalars['ID']['input']>;
};


/** What can be listened to: over WebSocket (`graphql-transport-ws`) or server-sent events. */
export type SubscriptionConversationEventsArgs = {
  after?: InputMaybe<Scalars['ID']['input']>;
  conversationId: Scalars['ID']['input'];
};


/** What can be listened to: over WebSocket (`graphql-transport-ws`) or server-sent events. */
export type SubscriptionEventsArgs = {
  after?: InputMaybe<Scalars['ID']['input']>;
};


/** What can be listened to: over WebSocket (`graphql-transport-ws`) or server-sent events. */
export type SubscriptionMessageSentArgs = {
  conversationId?: InputMaybe<Scalars['ID']['input']>;
};


/** What can be listened to: over WebSocket (`graphql-transport-ws`) or server-sent events. */
export type SubscriptionOnlineStatusArgs = {
  userIds?: InputMaybe<Array<Scalars['ID']['input']>>;
};


/** What can be listened to: over WebSocket (`graphql-transport-ws`) or server-sent events. */
export type SubscriptionTypingArgs = {
  conversationId: Scalars['ID']['input'];
};

/** A topic of the event log, for admins. */
export type Topic = {
  __typename?: 'Topic';
  /** The number of the last event. */
  head: Scalars['Float']['output'];
  /** `user:<id>` or `group:<id>`. */
  id: Scalars['ID']['output'];
  /** How many events the node that is furthest behind has not delivered yet. */
  lag: Scalars['Float']['output'];
  /** The nodes that listen. */
  nodes: Array<TopicOnNode>;
  /** Feeds that listen, on all nodes. */
  subscribers: Scalars['Int']['output'];
};

export type TopicOnNode = {
  __typename?: 'TopicOnNode';
  /** How many events it has not delivered yet. */
  lag: Scalars['Float']['output'];
  node: Scalars['ID']['output'];
  /** The number of the last event that it delivered; null while it starts to listen. */
  position?: Maybe<Scalars['Float']['output']>;
  subscribers: Scalars['Int']['output'];
};

/** A user began or stopped typing; to the conversation's other users, not kept. */
export type TypingChanged = Event & {
  __typename?: 'TypingChanged';
  /** Where. */
  conversationId: Scalars['ID']['output'];
  /** Always null: not kept. */
  id?: Maybe<Scalars['ID']['output']>;
  /** When. */
  timestamp: Scalars['DateTime']['output'];
  /** Whether the user is typing now. */
  typing: Scalars['Boolean']['output'];
  /** Who. */
  user: User;
};

/** What to change of a group; absent fields stay as they are, null takes an avatar or announcement away. */
export type UpdateGroupInput = {
  /** Whether plain members may invite. */
  allowInvitation?: InputMaybe<Scalars['Boolean']['input']>;
  /** Whether plain members may send. */
  allowSendMessages?: InputMaybe<Scalars['Boolean']['input']>;
  /** At most 5000 characters. */
  announcement?: InputMaybe<Scalars['String']['input']>;
  /** http(s) address of a picture. */
  avatar?: InputMaybe<Scalars['String']['input']>;
  /** Whether new members see what was sent before they joined; those who are in keep what they see. */
  historyVisible?: InputMaybe<Scalars['Boolean']['input']>;
  /** Whether an owner or admin must approve those who join. */
  joinApprovalRequired?: InputMaybe<Scalars['Boolean']['input']>;
  /** 1 to 100 characters. */
  name?: InputMaybe<Scalars['String']['input']>;
};

/** A person or program that takes part in chats; known by the `sub` of their tokens. */
export type User = {
  __typename?: 'User';
  /** Address of the avatar picture, null where none is known. */
  avatar?: Maybe<Scalars['String']['output']>;
  /** Admins only, else null: until when the user is banned, 9999-12-31T23:59:59.999Z for a ban without end; null where not banned. */
  bannedUntil?: Maybe<Scalars['DateTime']['output']>;
  /** Admins only, else null: when the user was first seen. */
  createdAt?: Maybe<Scalars['DateTime']['output']>;
  /** Decimal string, 1 to 2147483647. */
  id: Scalars['ID']['output'];
  /** When the user was last connected; null for a user who never was, and where one of the viewer and the user has blocked the other. */
  lastActive?: Maybe<Scalars['DateTime']['output']>;
  /** The name shown to others. */
  name: Scalars['String']['output'];
  /**
   * Whether at least one live connection is open, or the last one closed less than the grace period ago. False where one of the
   * viewer and the user has blocked the other.
   */
  online: Scalars['Boolean']['output'];
};

/** A page of users. */
export type UserConnection = {
  __typename?: 'UserConnection';
  /** The users with their cursors. */
  edges: Array<UserEdge>;
  /** Where the page lies. */
  pageInfo: PageInfo;
};

/** A user in a page. */
export type UserEdge = {
  __typename?: 'UserEdge';
  /** Opaque; what `after` takes. */
  cursor: Scalars['String']['output'];
  /** The user. */
  node: User;
};

/** A user was erased: clients drop what they show of them; to everybody who shared a conversation. */
export type UserErased = Event & {
  __typename?: 'UserErased';
  /** Position in the event log, the cursor to resume after. */
  id?: Maybe<Scalars['ID']['output']>;
  /** When. */
  timestamp: Scalars['DateTime']['output'];
  /** Who. */
  userId: Scalars['ID']['output'];
};

/**
 * Name or avatar of a user changed; to those who share a conversation, and the user. At most one in 3 s for a user: of several changes the
 * last.
 */
export type UserUpdated = Event & {
  __typename?: 'UserUpdated';
  /** Position in the event log, the cursor to resume after. */
  id?: Maybe<Scalars['ID']['output']>;
  /** When it was told. */
  timestamp: Scalars['DateTime']['output'];
  /** The user, as they were then. */
  user: User;
};



export type ResolverTypeWrapper<T> = Promise<T> | T;


export type ResolverWithResolve<TResult, TParent, TContext, TArgs> = {
  resolve: ResolverFn<TResult, TParent, TContext, TArgs>;
};
export type Resolver<TResult, TParent = Record<PropertyKey, never>, TContext = Record<PropertyKey, never>, TArgs = Record<PropertyKey, never>> = ResolverFn<TResult, TParent, TContext, TArgs> | ResolverWithResolve<TResult, TParent, TContext, TArgs>;

export type ResolverFn<TResult, TParent, TContext, TArgs> = (
  parent: TParent,
  args: TArgs,
  context: TContext,
  info: GraphQLResolveInfo
) => Promise<TResult> | TResult;

export type SubscriptionSubscribeFn<TResult, TParent, TContext, TArgs> = (
  parent: TParent,
  args: TArgs,
  context: TContext,
  info: GraphQLResolveInfo
) => AsyncIterable<TResult> | Promise<AsyncIterable<TResult>>;

export type SubscriptionResolveFn<TResult, TParent, TContext, TArgs> = (
  parent: TParent,
  args: TArgs,
  context: TContext,
  info: GraphQLResolveInfo
) => TResult | Promise<TResult>;

export interface SubscriptionSubscriberObject<TResult, TKey extends string, TParent, TContext, TArgs> {
  subscribe: SubscriptionSubscribeFn<{ [key in TKey]: TResult }, TParent, TContext, TArgs>;
  resolve?: SubscriptionResolveFn<TResult, { [key in TKey]: TResult }, TContext, TArgs>;
}

export interface SubscriptionResolverObject<TResult, TParent, TContext, TArgs> {
  subscribe: SubscriptionSubscribeFn<any, TParent, TContext, TArgs>;
  resolve: SubscriptionResolveFn<TResult, any, TContext, TArgs>;
}

export type SubscriptionObject<TResult, TKey extends string, TParent, TContext, TArgs> =
  | SubscriptionSubscriberObject<TResult, TKey, TParent, TContext, TArgs>
  | SubscriptionResolverObject<TResult, TParent, TContext, TArgs>;

export type SubscriptionResolver<TResult, TKey extends string, TParent = Record<PropertyKey, never>, TContext = Record<PropertyKey, never>, TArgs = Record<PropertyKey, never>> =
  | ((...args: any[]) => SubscriptionObject<TResult, TKey, TParent, TContext, TArgs>)
  | SubscriptionObject<TResult, TKey, TParent, TContext, TArgs>;

export type TypeResolveFn<TTypes, TParent = Record<PropertyKey, never>, TContext = Record<PropertyKey, never>> = (
  parent: TParent,
  context: TContext,
  info: GraphQLResolveInfo
) => Maybe<TTypes> | Promise<Maybe<TTypes>>;

export type IsTypeOfResolverFn<T = Record<PropertyKey, never>, TContext = Record<PropertyKey, never>> = (obj: T, context: TContext, info: GraphQLResolveInfo) => boolean | Promise<boolean>;

export type NextResolverFn<T> = () => Promise<T>;

export type DirectiveResolverFn<TResult = Record<PropertyKey, never>, TParent = Record<PropertyKey, never>, TContext = Record<PropertyKey, never>, TArgs = Record<PropertyKey, never>> = (
  next: NextResolverFn<TResult>,
  parent: TParent,
  args: TArgs,
  context: TContext,
  info: GraphQLResolveInfo
) => TResult | Promise<TResult>;




/** Mapping of interface types */
export type ResolversInterfaceTypes<_RefType extends Record<string, unknown>> = {
  Event:
    | ( EventOf<'BlockChanged'> )
    | ( EventOf<'ConversationRead'> )
    | ( EventOf<'ConversationSettingsChanged'> )
    | ( EventOf<'GroupUpdated'> )
    | ( EventOf<'MemberJoined'> )
    | ( EventOf<'MemberLeft'> )
    | ( EventOf<'MessageDeleted'> )
    | ( EventOf<'MessageEdited'> )
    | ( EventOf<'MessageRead'> )
    | ( EventOf<'MessageSent'> )
    | ( EventOf<'NotificationRead'> )
    | ( EventOf<'NotificationReceived'> )
    | ( EventOf<'OnlineStatusChanged'> )
    | ( EventOf<'ReactionAdded'> )
    | ( EventOf<'ReactionRemoved'> )
    | ( EventOf<'ResumeIncomplete'> )
    | ( EventOf<'TypingChanged'> )
    | ( EventOf<'UserErased'> )
    | ( EventOf<'UserUpdated'> )
  ;
};

/** Mapping between all available schema types and the resolvers types */
export type ResolversTypes = {
  Activity: ResolverTypeWrapper<ActivityModel>;
  ActivityKind: ActivityKind;
  AuditEntry: ResolverTypeWrapper<AuditEntryModel>;
  AuditEntryConnection: ResolverTypeWrapper<Omit<AuditEntryConnection, 'edges'> & { edges: Array<ResolversTypes['AuditEntryEdge']> }>;
  AuditEntryEdge: ResolverTypeWrapper<Omit<AuditEntryEdge, 'node'> & { node: ResolversTypes['AuditEntry'] }>;
  BlockChanged: ResolverTypeWrapper<EventOf<'BlockChanged'>>;
  Boolean: ResolverTypeWrapper<Scalars['Boolean']['output']>;
  ClientConnection: ResolverTypeWrapper<ConnectionModel>;
  Cluster: ResolverTypeWrapper<Omit<Cluster, 'nodes'> & { nodes: Array<ResolversTypes['ClusterNode']> }>;
  ClusterNode: ResolverTypeWrapper<NodeModel>;
  Conversation: ResolverTypeWrapper<ConversationModel>;
  ConversationConnection: ResolverTypeWrapper<Omit<ConversationConnection, 'edges'> & { edges: Array<ResolversTypes['ConversationEdge']> }>;
  ConversationEdge: ResolverTypeWrapper<Omit<ConversationEdge, 'node'> & { node: ResolversTypes['Conversation'] }>;
  ConversationFilter: ConversationFilter;
  ConversationRead: ResolverTypeWrapper<EventOf<'ConversationRead'>>;
  ConversationSettings: ResolverTypeWrapper<ConversationSettingsModel>;
  ConversationSettingsChanged: ResolverTypeWrapper<EventOf<'ConversationSettingsChanged'>>;
  ConversationSettingsInput: ConversationSettingsInput;
  CreateGroupInput: CreateGroupInput;
  DateTime: ResolverTypeWrapper<Scalars['DateTime']['output']>;
  DayStatistics: ResolverTypeWrapper<DayStatistics>;
  EditMessageInput: EditMessageInput;
  Event: ResolverTypeWrapper<ResolversInterfaceTypes<ResolversTypes>['Event']>;
  Float: ResolverTypeWrapper<Scalars['Float']['output']>;
  Group: ResolverTypeWrapper<GroupModel>;
  GroupConnection: ResolverTypeWrapper<Omit<GroupConnection, 'edges'> & { edges: Array<ResolversTypes['GroupEdge']> }>;
  GroupEdge: ResolverTypeWrapper<Omit<GroupEdge, 'node'> & { node: ResolversTypes['Group'] }>;
  GroupMember: ResolverTypeWrapper<GroupMemberModel>;
  GroupMemberConnection: ResolverTypeWrapper<Omit<GroupMemberConnection, 'edges'> & { edges: Array<ResolversTypes['GroupMemberEdge']> }>;
  GroupMemberEdge: ResolverTypeWrapper<Omit<GroupMemberEdge, 'node'> & { node: ResolversTypes['GroupMember'] }>;
  GroupRole: GroupRole;
  GroupUpdated: ResolverTypeWrapper<EventOf<'GroupUpdated'>>;
  ID: ResolverTypeWrapper<Scalars['ID']['output']>;
  Int: ResolverTypeWrapper<Scalars['Int']['output']>;
  JSON: ResolverTypeWrapper<Scalars['JSON']['output']>;
  JoinStatus: JoinStatus;
  MemberJoined: ResolverTypeWrapper<EventOf<'MemberJoined'>>;
  MemberLeft: ResolverTypeWrapper<EventOf<'MemberLeft'>>;
  Message: ResolverTypeWrapper<MessageModel>;
  MessageConnection: ResolverTypeWrapper<Omit<MessageConnection, 'edges'> & { edges: Array<ResolversTypes['MessageEdge']> }>;
  MessageDeleted: ResolverTypeWrapper<EventOf<'MessageDeleted'>>;
  MessageEdge: ResolverTypeWrapper<Omit<MessageEdge, 'node'> & { node: ResolversTypes['Message'] }>;
  MessageEdited: ResolverTypeWrapper<EventOf<'MessageEdited'>>;
  MessageRead: ResolverTypeWrapper<EventOf<'MessageRead'>>;
  MessageSent: ResolverTypeWrapper<EventOf<'MessageSent'>>;
  Mutation: ResolverTypeWrapper<Record<PropertyKey, never>>;
  Notification: ResolverTypeWrapper<NotificationModel>;
  NotificationConnection: ResolverTypeWrapper<Omit<NotificationConnection, 'edges'> & { edges: Array<ResolversTypes['NotificationEdge']> }>;
  NotificationEdge: ResolverTypeWrapper<Omit<NotificationEdge, 'node'> & { node: ResolversTypes['Notification'] }>;
  NotificationRead: ResolverTypeWrapper<EventOf<'NotificationRead'>>;
  NotificationReceived: ResolverTypeWrapper<EventOf<'NotificationReceived'>>;
  OnlineStatusChanged: ResolverTypeWrapper<EventOf<'OnlineStatusChanged'>>;
  PageInfo: ResolverTypeWrapper<PageInfo>;
  ProtocolCount: ResolverTypeWrapper<ProtocolCount>;
  Query: ResolverTypeWrapper<Record<PropertyKey, never>>;
  ReactionAdded: ResolverTypeWrapper<EventOf<'ReactionAdded'>>;
  ReactionRemoved: ResolverTypeWrapper<EventOf<'ReactionRemoved'>>;
  ReactionSummary: ResolverTypeWrapper<ReactionSummaryModel>;
  ReadReceipt: ResolverTypeWrapper<ReadReceiptModel>;
  Report: ResolverTypeWrapper<ReportModel>;
  ReportConnection: ResolverTypeWrapper<Omit<ReportConnection, 'edges'> & { edges: Array<ResolversTypes['ReportEdge']> }>;
  ReportEdge: ResolverTypeWrapper<Omit<ReportEdge, 'node'> & { node: ResolversTypes['Report'] }>;
  ReportStatus: ReportStatus;
  ResumeIncomplete: ResolverTypeWrapper<EventOf<'ResumeIncomplete'>>;
  SendMessageInput: SendMessageInput;
  String: ResolverTypeWrapper<Scalars['String']['output']>;
  Subscription: ResolverTypeWrapper<Record<PropertyKey, never>>;
  Topic: ResolverTypeWrapper<TopicModel>;
  TopicOnNode: ResolverTypeWrapper<TopicOnNodeModel>;
  TypingChanged: ResolverTypeWrapper<EventOf<'TypingChanged'>>;
  UpdateGroupInput: UpdateGroupInput;
  User: ResolverTypeWrapper<UserModel>;
  UserConnection: ResolverTypeWrapper<Omit<UserConnection, 'edges'> & { edges: Array<ResolversTypes['UserEdge']> }>;
  UserEdge: ResolverTypeWrapper<Omit<UserEdge, 'node'> & { node: ResolversTypes['User'] }>;
  UserErased: ResolverTypeWrapper<EventOf<'UserErased'>>;
  UserUpdated: ResolverTypeWrapper<EventOf<'UserUpdated'>>;
};

/** Mapping between all available schema types and the resolvers parents */
export type ResolversParentTypes = {
  Activity: ActivityModel;
  AuditEntry: AuditEntryModel;
  AuditEntryConnection: Omit<AuditEntryConnection, 'edges'> & { edges: Array<ResolversParentTypes['AuditEntryEdge']> };
  AuditEntryEdge: Omit<AuditEntryEdge, 'node'> & { node: ResolversParentTypes['AuditEntry'] };
  BlockChanged: EventOf<'BlockChanged'>;
  Boolean: Scalars['Boolean']['output'];
  ClientConnection: ConnectionModel;
  Cluster: Omit<Cluster, 'nodes'> & { nodes: Array<ResolversParentTypes['ClusterNode']> };
  ClusterNode: NodeModel;
  Conversation: ConversationModel;
  ConversationConnection: Omit<ConversationConnection, 'edges'> & { edges: Array<ResolversParentTypes['ConversationEdge']> };
  ConversationEdge: Omit<ConversationEdge, 'node'> & { node: ResolversParentTypes['Conversation'] };
  ConversationRead: EventOf<'ConversationRead'>;
  ConversationSettings: ConversationSettingsModel;
  ConversationSettingsChanged: EventOf<'ConversationSettingsChanged'>;
  ConversationSettingsInput: ConversationSettingsInput;
  CreateGroupInput: CreateGroupInput;
  DateTime: Scalars['DateTime']['output'];
  DayStatistics: DayStatistics;
  EditMessageInput: EditMessageInput;
  Event: ResolversInterfaceTypes<ResolversParentTypes>['Event'];
  Float: Scalars['Float']['output'];
  Group: GroupModel;
  GroupConnection: Omit<GroupConnection, 'edges'> & { edges: Array<ResolversParentTypes['GroupEdge']> };
  GroupEdge: Omit<GroupEdge, 'node'> & { node: ResolversParentTypes['Group'] };
  GroupMember: GroupMemberModel;
  GroupMemberConnection: Omit<GroupMemberConnection, 'edges'> & { edges: Array<ResolversParentTypes['GroupMemberEdge']> };
  GroupMemberEdge: Omit<GroupMemberEdge, 'node'> & { node: ResolversParentTypes['GroupMember'] };
  GroupUpdated: EventOf<'GroupUpdated'>;
  ID: Scalars['ID']['output'];
  Int: Scalars['Int']['output'];
  JSON: Scalars['JSON']['output'];
  MemberJoined: EventOf<'MemberJoined'>;
  MemberLeft: EventOf<'MemberLeft'>;
  Message: MessageModel;
  MessageConnection: Omit<MessageConnection, 'edges'> & { edges: Array<ResolversParentTypes['MessageEdge']> };
  MessageDeleted: EventOf<'MessageDeleted'>;
  MessageEdge: Omit<MessageEdge, 'node'> & { node: ResolversParentTypes['Message'] };
  MessageEdited: EventOf<'MessageEdited'>;
  MessageRead: EventOf<'MessageRead'>;
  MessageSent: EventOf<'MessageSent'>;
  Mutation: Record<PropertyKey, never>;
  Notification: NotificationModel;
  NotificationConnection: Omit<NotificationConnection, 'edges'> & { edges: Array<ResolversParentTypes['NotificationEdge']> };
  NotificationEdge: Omit<NotificationEdge, 'node'> & { node: ResolversParentTypes['Notification'] };
  NotificationRead: EventOf<'NotificationRead'>;
  NotificationReceived: EventOf<'NotificationReceived'>;
  OnlineStatusChanged: EventOf<'OnlineStatusChanged'>;
  PageInfo: PageInfo;
  ProtocolCount: ProtocolCount;
  Query: Record<PropertyKey, never>;
  ReactionAdded: EventOf<'ReactionAdded'>;
  ReactionRemoved: EventOf<'ReactionRemoved'>;
  ReactionSummary: ReactionSummaryModel;
  ReadReceipt: ReadReceiptModel;
  Report: ReportModel;
  ReportConnection: Omit<ReportConnection, 'edges'> & { edges: Array<ResolversParentTypes['ReportEdge']> };
  ReportEdge: Omit<ReportEdge, 'node'> & { node: ResolversParentTypes['Report'] };
  ResumeIncomplete: EventOf<'ResumeIncomplete'>;
  SendMessageInput: SendMessageInput;
  String: Scalars['String']['output'];
  Subscription: Record<PropertyKey, never>;
  Topic: TopicModel;
  TopicOnNode: TopicOnNodeModel;
  TypingChanged: EventOf<'TypingChanged'>;
  UpdateGroupInput: UpdateGroupInput;
  User: UserModel;
  UserConnection: Omit<UserConnection, 'edges'> & { edges: Array<ResolversParentTypes['UserEdge']> };
  UserEdge: Omit<UserEdge, 'node'> & { node: ResolversParentTypes['User'] };
  UserErased: EventOf<'UserErased'>;
  UserUpdated: EventOf<'UserUpdated'>;
};

export type ViewerDependentDirectiveArgs = { };

export type ViewerDependentDirectiveResolver<Result, Parent, ContextType = OperationContext, Args = ViewerDependentDirectiveArgs> = DirectiveResolverFn<Result, Parent, ContextType, Args>;

export type ActivityResolvers<ContextType = OperationContext, ParentType extends ResolversParentTypes['Activity'] = ResolversParentTypes['Activity']> = {
  code?: Resolver<Maybe<ResolversTypes['String']>, ParentType, ContextType>;
  connectionId?: Resolver<Maybe<ResolversTypes['ID']>, ParentType, ContextType>;
  content?: Resolver<Maybe<ResolversTypes['JSON']>, ParentType, ContextType>;
  conversationId?: Resolver<Maybe<ResolversTypes['ID']>, ParentType, ContextType>;
  kind?: Resolver<ResolversTypes['ActivityKind'], ParentType, ContextType>;
  name?: Resolver<ResolversTypes['String'], ParentType, ContextType>;
  node?: Resolver<ResolversTypes['ID'], ParentType, ContextType>;
  skipped?: Resolver<ResolversTypes['Int'], ParentType, ContextType>;
  timestamp?: Resolver<ResolversTypes['DateTime'], ParentType, ContextType>;
  user?: Resolver<ResolversTypes['User'], ParentType, ContextType>;
};

export type AuditEntryResolvers<ContextType = OperationContext, ParentType extends ResolversParentTypes['AuditEntry'] = ResolversParentTypes['AuditEntry']> = {
  action?: Resolver<ResolversTypes['String'], ParentType, ContextType>;
  actor?: Resolver<ResolversTypes['User'], ParentType, ContextType>;
  details?: Resolver<ResolversTypes['JSON'], ParentType, ContextType>;
  id?: Resolver<ResolversTypes['ID'], ParentType, ContextType>;
  targetId?: Resolver<Maybe<ResolversTypes['ID']>, ParentType, ContextType>;
  targetType?: Resolver<ResolversTypes['String'], ParentType, ContextType>;
  timestamp?: Resolver<ResolversTypes['DateTime'], ParentType, ContextType>;
};

export type AuditEntryConnectionResolvers<ContextType = OperationContext, ParentType extends ResolversParentTypes['AuditEntryConnection'] = ResolversParentTypes['AuditEntryConnection']> = {
  edges?: Resolver<Array<ResolversTypes['AuditEntryEdge']>, ParentType, ContextType>;
  pageInfo?: Resolver<ResolversTypes['PageInfo'], ParentType, ContextType>;
};

export type AuditEntryEdgeResolvers<ContextType = OperationContext, ParentType extends ResolversParentTypes['AuditEntryEdge'] = ResolversParentTypes['AuditEntryEdge']> = {
  cursor?: Resolver<ResolversTypes['String'], ParentType, ContextType>;
  node?: Resolver<ResolversTypes['AuditEntry'], ParentType, ContextType>;
};

export type BlockChangedResolvers<ContextType = OperationContext, ParentType extends ResolversParentTypes['BlockChanged'] = ResolversParentTypes['BlockChanged']> = {
  blocked?: Resolver<ResolversTypes['Boolean'], ParentType, ContextType>;
  id?: Resolver<Maybe<ResolversTypes['ID']>, ParentType, ContextType>;
  timestamp?: Resolver<ResolversTypes['DateTime'], ParentType, ContextType>;
  user?: Resolver<ResolversTypes['User'], ParentType, ContextType>;
  __isTypeOf?: IsTypeOfResolverFn<ParentType, ContextType>;
};

export type ClientConnectionResolvers<ContextType = OperationContext, ParentType extends ResolversParentTypes['ClientConnection'] = ResolversParentTypes['ClientConnection']> = {
  address?: Resolver<ResolversTypes['String'], ParentType, ContextType>;
  expiresAt?: Resolver<ResolversTypes['DateTime'], ParentType, ContextType>;
  id?: Resolver<ResolversTypes['ID'], ParentType, ContextType>;
  node?: Resolver<ResolversTypes['ID'], ParentType, ContextType>;
  protocol?: Resolver<ResolversTypes['String'], ParentType, ContextType>;
  queue?: Resolver<ResolversTypes['Int'], ParentType, ContextType>;
  since?: Resolver<ResolversTypes['DateTime'], ParentType, ContextType>;
  user?: Resolver<ResolversTypes['User'], ParentType, ContextType>;
};

export type ClusterResolvers<ContextType = OperationContext, ParentType extends ResolversParentTypes['Cluster'] = ResolversParentTypes['Cluster']> = {
  nodes?: Resolver<Array<ResolversTypes['ClusterNode']>, ParentType, ContextType>;
};

export type ClusterNodeResolvers<ContextType = OperationContext, ParentType extends ResolversParentTypes['ClusterNode'] = ResolversParentTypes['ClusterNode']> = {
  connections?: Resolver<ResolversTypes['Int'], ParentType, ContextType>;
  id?: Resolver<ResolversTypes['ID'], ParentType, ContextType>;
  lag?: Resolver<ResolversTypes['Float'], ParentType, ContextType>;
  load?: Resolver<ResolversTypes['Float'], ParentType, ContextType>;
  protocols?: Resolver<Array<ResolversTypes['ProtocolCount']>, ParentType, ContextType>;
  startedAt?: Resolver<ResolversTypes['DateTime'], ParentType, ContextType>;
  topics?: Resolver<ResolversTypes['Int'], ParentType, ContextType>;
  version?: Resolver<ResolversTypes['String'], ParentType, ContextType>;
};

export type ConversationResolvers<ContextType = OperationContext, ParentType extends ResolversParentTypes['Conversation'] = ResolversParentTypes['Conversation']> = {
  group?: Resolver<Maybe<ResolversTypes['Group']>, ParentType, ContextType>;
  id?: Resolver<ResolversTypes['ID'], ParentType, ContextType>;
  isGroup?: Resolver<ResolversTypes['Boolean'], ParentType, ContextType>;
  lastMessage?: Resolver<Maybe<ResolversTypes['Message']>, ParentType, ContextType>;
  members?: Resolver<ResolversTypes['UserConnection'], ParentType, ContextType, RequireFields<ConversationMembersArgs, 'first'>>;
  messages?: Resolver<ResolversTypes['MessageConnection'], ParentType, ContextType, RequireFields<ConversationMessagesArgs, 'first'>>;
  readUpTo?: Resolver<Maybe<ResolversTypes['ID']>, ParentType, ContextType>;
  settings?: Resolver<ResolversTypes['ConversationSettings'], ParentType, ContextType>;
  unreadCount?: Resolver<ResolversTypes['Int'], ParentType, ContextType>;
  unreadMentionCount?: Resolver<ResolversTypes['Int'], ParentType, ContextType>;
};

export type ConversationConnectionResolvers<ContextType = OperationContext, ParentType extends ResolversParentTypes['ConversationConnection'] = ResolversParentTypes['ConversationConnection']> = {
  edges?: Resolver<Array<ResolversTypes['ConversationEdge']>, ParentType, ContextType>;
  pageInfo?: Resolver<ResolversTypes['PageInfo'], ParentType, ContextType>;
};

export type ConversationEdgeResolvers<ContextType = OperationContext, ParentType extends ResolversParentTypes['ConversationEdge'] = ResolversParentTypes['ConversationEdge']> = {
  cursor?: Resolver<ResolversTypes['String'], ParentType, ContextType>;
  node?: Resolver<ResolversTypes['Conversation'], ParentType, ContextType>;
};

export type ConversationReadResolvers<ContextType = OperationContext, ParentType extends ResolversParentTypes['ConversationRead'] = ResolversParentTypes['ConversationRead']> = {
  conversationId?: Resolver<ResolversTypes['ID'], ParentType, ContextType>;
  id?: Resolver<Maybe<ResolversTypes['ID']>, ParentType, ContextType>;
  readUpTo?: Resolver<Maybe<ResolversTypes['ID']>, ParentType, ContextType>;
  timestamp?: Resolver<ResolversTypes['DateTime'], ParentType, ContextType>;
  unreadCount?: Resolver<ResolversTypes['Int'], ParentType, ContextType>;
  unreadMentionCount?: Resolver<ResolversTypes['Int'], ParentType, ContextType>;
  __isTypeOf?: IsTypeOfResolverFn<ParentType, ContextType>;
};

export type ConversationSettingsResolvers<ContextType = OperationContext, ParentType extends ResolversParentTypes['ConversationSettings'] = ResolversParentTypes['ConversationSettings']> = {
  archived?: Resolver<ResolversTypes['Boolean'], ParentType, ContextType>;
  mutedUntil?: Resolver<Maybe<ResolversTypes['DateTime']>, ParentType, ContextType>;
  pinned?: Resolver<ResolversTypes['Boolean'], ParentType, ContextType>;
};

export type ConversationSettingsChangedResolvers<ContextType = OperationContext, ParentType extends ResolversParentTypes['ConversationSettingsChanged'] = ResolversParentTypes['ConversationSettingsChanged']> = {
  conversationId?: Resolver<ResolversTypes['ID'], ParentType, ContextType>;
  id?: Resolver<Maybe<ResolversTypes['ID']>, ParentType, ContextType>;
  settings?: Resolver<ResolversTypes['ConversationSettings'], ParentType, ContextType>;
  timestamp?: Resolver<ResolversTypes['DateTime'], ParentType, ContextType>;
  __isTypeOf?: IsTypeOfResolverFn<ParentType, ContextType>;
};

export interface DateTimeScalarConfig extends GraphQLScalarTypeConfig<ResolversTypes['DateTime'], any> {
  name: 'DateTime';
}

export type DayStatisticsResolvers<ContextType = OperationContext, ParentType extends ResolversParentTypes['DayStatistics'] = ResolversParentTypes['DayStatistics']> = {
  activeUsers?: Resolver<ResolversTypes['Int'], ParentType, ContextType>;
  date?: Resolver<ResolversTypes['String'], ParentType, ContextType>;
  messages?: Resolver<ResolversTypes['Int'], ParentType, ContextType>;
  newConversations?: Resolver<ResolversTypes['Int'], ParentType, ContextType>;
  newUsers?: Resolver<ResolversTypes['Int'], ParentType, ContextType>;
};

export type EventResolvers<ContextType = OperationContext, ParentType extends ResolversParentTypes['Event'] = ResolversParentTypes['Event']> = {
  __resolveType: TypeResolveFn<'BlockChanged' | 'ConversationRead' | 'ConversationSettingsChanged' | 'GroupUpdated' | 'MemberJoined' | 'MemberLeft' | 'MessageDeleted' | 'MessageEdited' | 'MessageRead' | 'MessageSent' | 'NotificationRead' | 'NotificationReceived' | 'OnlineStatusChanged' | 'ReactionAdded' | 'ReactionRemoved' | 'ResumeIncomplete' | 'TypingChanged' | 'UserErased' | 'UserUpdated', ParentType, ContextType>;
};

export type GroupResolvers<ContextType = OperationContext, ParentType extends ResolversParentTypes['Group'] = ResolversParentTypes['Group']> = {
  allowInvitation?: Resolver<ResolversTypes['Boolean'], ParentType, ContextType>;
  allowSendMessages?: Resolver<ResolversTypes['Boolean'], ParentType, ContextType>;
  announcement?: Resolver<Maybe<ResolversTypes['String']>, ParentType, ContextType>;
  avatar?: Resolver<Maybe<ResolversTypes['String']>, ParentType, ContextType>;
  conversation?: Resolver<Maybe<ResolversTypes['Conversation']>, ParentType, ContextType>;
  historyVisible?: Resolver<ResolversTypes['Boolean'], ParentType, ContextType>;
  id?: Resolver<ResolversTypes['ID'], ParentType, ContextType>;
  joinApprovalRequired?: Resolver<ResolversTypes['Boolean'], ParentType, ContextType>;
  joinRequests?: Resolver<Maybe<Array<ResolversTypes['User']>>, ParentType, ContextType>;
  memberCount?: Resolver<ResolversTypes['Int'], ParentType, ContextType>;
  members?: Resolver<Maybe<ResolversTypes['GroupMemberConnection']>, ParentType, ContextType, RequireFields<GroupMembersArgs, 'first'>>;
  name?: Resolver<ResolversTypes['String'], ParentType, ContextType>;
};

export type GroupConnectionResolvers<ContextType = OperationContext, ParentType extends ResolversParentTypes['GroupConnection'] = ResolversParentTypes['GroupConnection']> = {
  edges?: Resolver<Array<ResolversTypes['GroupEdge']>, ParentType, ContextType>;
  pageInfo?: Resolver<ResolversTypes['PageInfo'], ParentType, ContextType>;
};

export type GroupEdgeResolvers<ContextType = OperationContext, ParentType extends ResolversParentTypes['GroupEdge'] = ResolversParentTypes['GroupEdge']> = {
  cursor?: Resolver<ResolversTypes['String'], ParentType, ContextType>;
  node?: Resolver<ResolversTypes['Group'], ParentType, ContextType>;
};

export type GroupMemberResolvers<ContextType = OperationContext, ParentType extends ResolversParentTypes['GroupMember'] = ResolversParentTypes['GroupMember']> = {
  joinedAt?: Resolver<ResolversTypes['DateTime'], ParentType, ContextType>;
  mutedUntil?: Resolver<Maybe<ResolversTypes['DateTime']>, ParentType, ContextType>;
  role?: Resolver<ResolversTypes['GroupRole'], ParentType, ContextType>;
  user?: Resolver<ResolversTypes['User'], ParentType, ContextType>;
};

export type GroupMemberConnectionResolvers<ContextType = OperationContext, ParentType extends ResolversParentTypes['GroupMemberConnection'] = ResolversParentTypes['GroupMemberConnection']> = {
  edges?: Resolver<Array<ResolversTypes['GroupMemberEdge']>, ParentType, ContextType>;
  pageInfo?: Resolver<ResolversTypes['PageInfo'], ParentType, ContextType>;
};

export type GroupMemberEdgeResolvers<ContextType = OperationContext, ParentType extends ResolversParentTypes['GroupMemberEdge'] = ResolversParentTypes['GroupMemberEdge']> = {
  cursor?: Resolver<ResolversTypes['String'], ParentType, ContextType>;
  node?: Resolver<ResolversTypes['GroupMember'], ParentType, ContextType>;
};

export type GroupUpdatedResolvers<ContextType = OperationContext, ParentType extends ResolversParentTypes['GroupUpdated'] = ResolversParentTypes['GroupUpdated']> = {
  announcement?: Resolver<Maybe<ResolversTypes['String']>, ParentType, ContextType>;
  group?: Resolver<ResolversTypes['Group'], ParentType, ContextType>;
  id?: Resolver<Maybe<ResolversTypes['ID']>, ParentType, ContextType>;
  timestamp?: Resolver<ResolversTypes['DateTime'], ParentType, ContextType>;
  __isTypeOf?: IsTypeOfResolverFn<ParentType, ContextType>;
};

export interface JsonScalarConfig extends GraphQLScalarTypeConfig<ResolversTypes['JSON'], any> {
  name: 'JSON';
}

export type MemberJoinedResolvers<ContextType = OperationContext, ParentType extends ResolversParentTypes['MemberJoined'] = ResolversParentTypes['MemberJoined']> = {
  groupId?: Resolver<ResolversTypes['ID'], ParentType, ContextType>;
  id?: Resolver<Maybe<ResolversTypes['ID']>, ParentType, ContextType>;
  memberCount?: Resolver<ResolversTypes['Int'], ParentType, ContextType>;
  timestamp?: Resolver<ResolversTypes['DateTime'], ParentType, ContextType>;
  user?: Resolver<ResolversTypes['User'], ParentType, ContextType>;
  __isTypeOf?: IsTypeOfResolverFn<ParentType, ContextType>;
};

export type MemberLeftResolvers<ContextType = OperationContext, ParentType extends ResolversParentTypes['MemberLeft'] = ResolversParentTypes['MemberLeft']> = {
  groupId?: Resolver<ResolversTypes['ID'], ParentType, ContextType>;
  id?: Resolver<Maybe<ResolversTypes['ID']>, ParentType, ContextType>;
  memberCount?: Resolver<ResolversTypes['Int'], ParentType, ContextType>;
  timestamp?: Resolver<ResolversTypes['DateTime'], ParentType, ContextType>;
  user?: Resolver<ResolversTypes['User'], ParentType, ContextType>;
  __isTypeOf?: IsTypeOfResolverFn<ParentType, ContextType>;
};

export type MessageResolvers<ContextType = OperationContext, ParentType extends ResolversParentTypes['Message'] = ResolversParentTypes['Message']> = {
  content?: Resolver<ResolversTypes['String'], ParentType, ContextType>;
  conversation?: Resolver<ResolversTypes['Conversation'], ParentType, ContextType>;
  deletedAt?: Resolver<Maybe<ResolversTypes['DateTime']>, ParentType, ContextType>;
  deletedBy?: Resolver<Maybe<ResolversTypes['User']>, ParentType, ContextType>;
  editedAt?: Resolver<Maybe<ResolversTypes['DateTime']>, ParentType, ContextType>;
  id?: Resolver<ResolversTypes['ID'], ParentType, ContextType>;
  mediaUrl?: Resolver<Maybe<ResolversTypes['String']>, ParentType, ContextType>;
  mentions?: Resolver<Array<ResolversTypes['User']>, ParentType, ContextType>;
  mentionsAll?: Resolver<ResolversTypes['Boolean'], ParentType, ContextType>;
  messageType?: Resolver<ResolversTypes['String'], ParentType, ContextType>;
  reactions?: Resolver<Array<ResolversTypes['ReactionSummary']>, ParentType, ContextType>;
  readBy?: Resolver<Array<ResolversTypes['ReadReceipt']>, ParentType, ContextType>;
  replies?: Resolver<ResolversTypes['MessageConnection'], ParentType, ContextType, RequireFields<MessageRepliesArgs, 'first'>>;
  replyCount?: Resolver<ResolversTypes['Int'], ParentType, ContextType>;
  replyTo?: Resolver<Maybe<ResolversTypes['Message']>, ParentType, ContextType>;
  replyToId?: Resolver<Maybe<ResolversTypes['ID']>, ParentType, ContextType>;
  sender?: Resolver<ResolversTypes['User'], ParentType, ContextType>;
  timestamp?: Resolver<ResolversTypes['DateTime'], ParentType, ContextType>;
};

export type MessageConnectionResolvers<ContextType = OperationContext, ParentType extends ResolversParentTypes['MessageConnection'] = ResolversParentTypes['MessageConnection']> = {
  edges?: Resolver<Array<ResolversTypes['MessageEdge']>, ParentType, ContextType>;
  pageInfo?: Resolver<ResolversTypes['PageInfo'], ParentType, ContextType>;
};

export type MessageDeletedResolvers<ContextType = OperationContext, ParentType extends ResolversParentTypes['MessageDeleted'] = ResolversParentTypes['MessageDeleted']> = {
  conversationId?: Resolver<ResolversTypes['ID'], ParentType, ContextType>;
  deletedById?: Resolver<ResolversTypes['ID'], ParentType, ContextType>;
  id?: Resolver<Maybe<ResolversTypes['ID']>, ParentType, ContextType>;
  isGroup?: Resolver<ResolversTypes['Boolean'], ParentType, ContextType>;
  messageId?: Resolver<ResolversTypes['ID'], ParentType, ContextType>;
  timestamp?: Resolver<ResolversTypes['DateTime'], ParentType, ContextType>;
  __isTypeOf?: IsTypeOfResolverFn<ParentType, ContextType>;
};

export type MessageEdgeResolvers<ContextType = OperationContext, ParentType extends ResolversParentTypes['MessageEdge'] = ResolversParentTypes['MessageEdge']> = {
  cursor?: Resolver<ResolversTypes['String'], ParentType, ContextType>;
  node?: Resolver<ResolversTypes['Message'], ParentType, ContextType>;
};

export type MessageEditedResolvers<ContextType = OperationContext, ParentType extends ResolversParentTypes['MessageEdited'] = ResolversParentTypes['MessageEdited']> = {
  id?: Resolver<Maybe<ResolversTypes['ID']>, ParentType, ContextType>;
  message?: Resolver<ResolversTypes['Message'], ParentType, ContextType>;
  timestamp?: Resolver<ResolversTypes['DateTime'], ParentType, ContextType>;
  __isTypeOf?: IsTypeOfResolverFn<ParentType, ContextType>;
};

export type MessageReadResolvers<ContextType = OperationContext, ParentType extends ResolversParentTypes['MessageRead'] = ResolversParentTypes['MessageRead']> = {
  id?: Resolver<Maybe<ResolversTypes['ID']>, ParentType, ContextType>;
  isGroup?: Resolver<ResolversTypes['Boolean'], ParentType, ContextType>;
  messageId?: Resolver<ResolversTypes['ID'], ParentType, ContextType>;
  readerId?: Resolver<ResolversTypes['ID'], ParentType, ContextType>;
  timestamp?: Resolver<ResolversTypes['DateTime'], ParentType, ContextType>;
  __isTypeOf?: IsTypeOfResolverFn<ParentType, ContextType>;
};

export type MessageSentResolvers<ContextType = OperationContext, ParentType extends ResolversParentTypes['MessageSent'] = ResolversParentTypes['MessageSent']> = {
  id?: Resolver<Maybe<ResolversTypes['ID']>, ParentType, ContextType>;
  message?: Resolver<ResolversTypes['Message'], ParentType, ContextType>;
  timestamp?: Resolver<ResolversTypes['DateTime'], ParentType, ContextType>;
  __isTypeOf?: IsTypeOfResolverFn<ParentType, ContextType>;
};

export type MutationResolvers<ContextType = OperationContext, ParentType extends ResolversParentTypes['Mutation'] = ResolversParentTypes['Mutation']> = {
  addReaction: Resolver<ResolversTypes['ReactionSummary'], ParentType, ContextType, RequireFields<MutationAddReactionArgs, 'messageId' | 'reaction'>>;
  banUser: Resolver<ResolversTypes['User'], ParentType, ContextType, RequireFields<MutationBanUserArgs, 'reason' | 'userId'>>;
  blockUser: Resolver<ResolversTypes['User'], ParentType, ContextType, RequireFields<MutationBlockUserArgs, 'userId'>>;
  createGroup: Resolver<ResolversTypes['Group'], ParentType, ContextType, RequireFields<MutationCreateGroupArgs, 'input'>>;
  decideJoinRequest: Resolver<ResolversTypes['Group'], ParentType, ContextType, RequireFields<MutationDecideJoinRequestArgs, 'approve' | 'groupId' | 'userId'>>;
  deleteMessage: Resolver<ResolversTypes['Message'], ParentType, ContextType, RequireFields<MutationDeleteMessageArgs, 'messageId'>>;
  deleteMessagesOf: Resolver<ResolversTypes['Int'], ParentType, ContextType, RequireFields<MutationDeleteMessagesOfArgs, 'since' | 'userId'>>;
  disconnectUser: Resolver<ResolversTypes['Int'], ParentType, ContextType, RequireFields<MutationDisconnectUserArgs, 'userId'>>;
  editMessage: Resolver<ResolversTypes['Message'], ParentType, ContextType, RequireFields<MutationEditMessageArgs, 'input'>>;
  eraseUser: Resolver<ResolversTypes['Int'], ParentType, ContextType, RequireFields<MutationEraseUserArgs, 'userId'>>;
  inviteToGroup: Resolver<ResolversTypes['Group'], ParentType, ContextType, RequireFields<MutationInviteToGroupArgs, 'groupId' | 'userIds'>>;
  joinGroup: Resolver<ResolversTypes['JoinStatus'], ParentType, ContextType, RequireFields<MutationJoinGroupArgs, 'groupId'>>;
  leaveGroup: Resolver<ResolversTypes['Boolean'], ParentType, ContextType, RequireFields<MutationLeaveGroupArgs, 'groupId'>>;
  markConversationRead: Resolver<ResolversTypes['Int'], ParentType, ContextType, RequireFields<MutationMarkConversationReadArgs, 'conversationId' | 'upToMessageId'>>;
  markConversationUnread: Resolver<ResolversTypes['Int'], ParentType, ContextType, RequireFields<MutationMarkConversationUnreadArgs, 'conversationId' | 'fromMessageId'>>;
  markMessageRead: Resolver<ResolversTypes['ReadReceipt'], ParentType, ContextType, RequireFields<MutationMarkMessageReadArgs, 'messageId'>>;
  markNotificationRead: Resolver<ResolversTypes['Notification'], ParentType, ContextType, RequireFields<MutationMarkNotificationReadArgs, 'id'>>;
  muteGroupMember: Resolver<ResolversTypes['GroupMember'], ParentType, ContextType, RequireFields<MutationMuteGroupMemberArgs, 'groupId' | 'userId'>>;
  pushGroupUpdate: Resolver<ResolversTypes['Boolean'], ParentType, ContextType, RequireFields<MutationPushGroupUpdateArgs, 'groupId'>>;
  pushMemberJoined: Resolver<ResolversTypes['Boolean'], ParentType, ContextType, RequireFields<MutationPushMemberJoinedArgs, 'groupId' | 'userId'>>;
  pushMemberLeft: Resolver<ResolversTypes['Boolean'], ParentType, ContextType, RequireFields<MutationPushMemberLeftArgs, 'groupId' | 'userId'>>;
  pushNewMessage: Resolver<ResolversTypes['Boolean'], ParentType, ContextType, RequireFields<MutationPushNewMessageArgs, 'isGroup' | 'messageId'>>;
  pushSystemNotification: Resolver<ResolversTypes['Boolean'], ParentType, ContextType, RequireFields<MutationPushSystemNotificationArgs, 'data' | 'notificationType' | 'userIds'>>;
  refreshToken: Resolver<ResolversTypes['DateTime'], ParentType, ContextType, RequireFields<MutationRefreshTokenArgs, 'token'>>;
  removeGroupMember: Resolver<ResolversTypes['Group'], ParentType, ContextType, RequireFields<MutationRemoveGroupMemberArgs, 'groupId' | 'userId'>>;
  removeReaction: Resolver<ResolversTypes['ReactionSummary'], ParentType, ContextType, RequireFields<MutationRemoveReactionArgs, 'messageId' | 'reaction'>>;
  reportMessage: Resolver<ResolversTypes['Report'], ParentType, ContextType, RequireFields<MutationReportMessageArgs, 'messageId' | 'reason'>>;
  resolveReport: Resolver<ResolversTypes['Report'], ParentType, ContextType, RequireFields<MutationResolveReportArgs, 'id' | 'status'>>;
  sendMessage: Resolver<ResolversTypes['Message'], ParentType, ContextType, RequireFields<MutationSendMessageArgs, 'input'>>;
  setGroupRole: Resolver<ResolversTypes['Group'], ParentType, ContextType, RequireFields<MutationSetGroupRoleArgs, 'groupId' | 'role' | 'userId'>>;
  setTyping: Resolver<ResolversTypes['Boolean'], ParentType, ContextType, RequireFields<MutationSetTypingArgs, 'conversationId' | 'typing'>>;
  unbanUser: Resolver<ResolversTypes['User'], ParentType, ContextType, RequireFields<MutationUnbanUserArgs, 'userId'>>;
  unblockUser: Resolver<ResolversTypes['User'], ParentType, ContextType, RequireFields<MutationUnblockUserArgs, 'userId'>>;
  updateConversationSettings: Resolver<ResolversTypes['Conversation'], ParentType, ContextType, RequireFields<MutationUpdateConversationSettingsArgs, 'conversationId' | 'input'>>;
  updateGroup: Resolver<ResolversTypes['Group'], ParentType, ContextType, RequireFields<MutationUpdateGroupArgs, 'groupId' | 'input'>>;
  upsertUser: Resolver<ResolversTypes['User'], ParentType, ContextType, RequireFields<MutationUpsertUserArgs, 'id' | 'name'>>;
};

export type NotificationResolvers<ContextType = OperationContext, ParentType extends ResolversParentTypes['Notification'] = ResolversParentTypes['Notification']> = {
  data?: Resolver<ResolversTypes['JSON'], ParentType, ContextType>;
  id?: Resolver<ResolversTypes['ID'], ParentType, ContextType>;
  notificationType?: Resolver<ResolversTypes['String'], ParentType, ContextType>;
  readAt?: Resolver<Maybe<ResolversTypes['DateTime']>, ParentType, ContextType>;
  timestamp?: Resolver<ResolversTypes['DateTime'], ParentType, ContextType>;
};

export type NotificationConnectionResolvers<ContextType = OperationContext, ParentType extends ResolversParentTypes['NotificationConnection'] = ResolversParentTypes['NotificationConnection']> = {
  edges?: Resolver<Array<ResolversTypes['NotificationEdge']>, ParentType, ContextType>;
  pageInfo?: Resolver<ResolversTypes['PageInfo'], ParentType, ContextType>;
};

export type NotificationEdgeResolvers<ContextType = OperationContext, ParentType extends ResolversParentTypes['NotificationEdge'] = ResolversParentTypes['NotificationEdge']> = {
  cursor?: Resolver<ResolversTypes['String'], ParentType, ContextType>;
  node?: Resolver<ResolversTypes['Notification'], ParentType, ContextType>;
};

export type NotificationReadResolvers<ContextType = OperationContext, ParentType extends ResolversParentTypes['NotificationRead'] = ResolversParentTypes['NotificationRead']> = {
  id?: Resolver<Maybe<ResolversTypes['ID']>, ParentType, ContextType>;
  notification?: Resolver<ResolversTypes['Notification'], ParentType, ContextType>;
  timestamp?: Resolver<ResolversTypes['DateTime'], ParentType, ContextType>;
  __isTypeOf?: IsTypeOfResolverFn<ParentType, ContextType>;
};

export type NotificationReceivedResolvers<ContextType = OperationContext, ParentType extends ResolversParentTypes['NotificationReceived'] = ResolversParentTypes['NotificationReceived']> = {
  id?: Resolver<Maybe<ResolversTypes['ID']>, ParentType, ContextType>;
  notification?: Resolver<ResolversTypes['Notification'], ParentType, ContextType>;
  timestamp?: Resolver<ResolversTypes['DateTime'], ParentType, ContextType>;
  __isTypeOf?: IsTypeOfResolverFn<ParentType, ContextType>;
};

export type OnlineStatusChangedResolvers<ContextType = OperationContext, ParentType extends ResolversParentTypes['OnlineStatusChanged'] = ResolversParentTypes['OnlineStatusChanged']> = {
  id?: Resolver<Maybe<ResolversTypes['ID']>, ParentType, ContextType>;
  lastActive?: Resolver<ResolversTypes['DateTime'], ParentType, ContextType>;
  online?: Resolver<ResolversTypes['Boolean'], ParentType, ContextType>;
  timestamp?: Resolver<ResolversTypes['DateTime'], ParentType, ContextType>;
  userId?: Resolver<ResolversTypes['ID'], ParentType, ContextType>;
  __isTypeOf?: IsTypeOfResolverFn<ParentType, ContextType>;
};

export type PageInfoResolvers<ContextType = OperationContext, ParentType extends ResolversParentTypes['PageInfo'] = ResolversParentTypes['PageInfo']> = {
  endCursor?: Resolver<Maybe<ResolversTypes['String']>, ParentType, ContextType>;
  hasNextPage?: Resolver<ResolversTypes['Boolean'], ParentType, ContextType>;
  hasPreviousPage?: Resolver<ResolversTypes['Boolean'], ParentType, ContextType>;
  startCursor?: Resolver<Maybe<ResolversTypes['String']>, ParentType, ContextType>;
};

export type ProtocolCountResolvers<ContextType = OperationContext, ParentType extends ResolversParentTypes['ProtocolCount'] = ResolversParentTypes['ProtocolCount']> = {
  count?: Resolver<ResolversTypes['Int'], ParentType, ContextType>;
  protocol?: Resolver<ResolversTypes['String'], ParentType, ContextType>;
};

export type QueryResolvers<ContextType = OperationContext, ParentType extends ResolversParentTypes['Query'] = ResolversParentTypes['Query']> = {
  auditLog: Resolver<ResolversTypes['AuditEntryConnection'], ParentType, ContextType, RequireFields<QueryAuditLogArgs, 'first'>>;
  blockedUsers: Resolver<ResolversTypes['UserConnection'], ParentType, ContextType, RequireFields<QueryBlockedUsersArgs, 'first'>>;
  cluster: Resolver<ResolversTypes['Cluster'], ParentType, ContextType>;
  connections: Resolver<Array<ResolversTypes['ClientConnection']>, ParentType, ContextType, RequireFields<QueryConnectionsArgs, 'userId'>>;
  conversation: Resolver<Maybe<ResolversTypes['Conversation']>, ParentType, ContextType, RequireFields<QueryConversationArgs, 'id'>>;
  conversations: Resolver<ResolversTypes['ConversationConnection'], ParentType, ContextType, RequireFields<QueryConversationsArgs, 'filter' | 'first'>>;
  conversationsOf: Resolver<ResolversTypes['ConversationConnection'], ParentType, ContextType, RequireFields<QueryConversationsOfArgs, 'first' | 'userId'>>;
  cursor: Resolver<ResolversTypes['ID'], ParentType, ContextType>;
  group: Resolver<Maybe<ResolversTypes['Group']>, ParentType, ContextType, RequireFields<QueryGroupArgs, 'id'>>;
  groups: Resolver<ResolversTypes['GroupConnection'], ParentType, ContextType, RequireFields<QueryGroupsArgs, 'first'>>;
  message: Resolver<Maybe<ResolversTypes['Message']>, ParentType, ContextType, RequireFields<QueryMessageArgs, 'id'>>;
  notifications: Resolver<ResolversTypes['NotificationConnection'], ParentType, ContextType, RequireFields<QueryNotificationsArgs, 'first'>>;
  reports: Resolver<ResolversTypes['ReportConnection'], ParentType, ContextType, RequireFields<QueryReportsArgs, 'first' | 'status'>>;
  searchMessages: Resolver<ResolversTypes['MessageConnection'], ParentType, ContextType, RequireFields<QuerySearchMessagesArgs, 'first'>>;
  statistics: Resolver<Array<ResolversTypes['DayStatistics']>, ParentType, ContextType, RequireFields<QueryStatisticsArgs, 'days'>>;
  topic: Resolver<Maybe<ResolversTypes['Topic']>, ParentType, ContextType, RequireFields<QueryTopicArgs, 'id'>>;
  user: Resolver<Maybe<ResolversTypes['User']>, ParentType, ContextType, RequireFields<QueryUserArgs, 'id'>>;
  users: Resolver<ResolversTypes['UserConnection'], ParentType, ContextType, RequireFields<QueryUsersArgs, 'first'>>;
  viewer: Resolver<ResolversTypes['User'], ParentType, ContextType>;
};

export type ReactionAddedResolvers<ContextType = OperationContext, ParentType extends ResolversParentTypes['ReactionAdded'] = ResolversParentTypes['ReactionAdded']> = {
  id?: Resolver<Maybe<ResolversTypes['ID']>, ParentType, ContextType>;
  isGroup?: Resolver<ResolversTypes['Boolean'], ParentType, ContextType>;
  messageDeleted?: Resolver<ResolversTypes['Boolean'], ParentType, ContextType>;
  messageId?: Resolver<ResolversTypes['ID'], ParentType, ContextType>;
  reaction?: Resolver<ResolversTypes['String'], ParentType, ContextType>;
  reactionCount?: Resolver<ResolversTypes['Int'], ParentType, ContextType>;
  reactionUserIds?: Resolver<Array<ResolversTypes['ID']>, ParentType, ContextType>;
  timestamp?: Resolver<ResolversTypes['DateTime'], ParentType, ContextType>;
  userId?: Resolver<ResolversTypes['ID'], ParentType, ContextType>;
  __isTypeOf?: IsTypeOfResolverFn<ParentType, ContextType>;
};

export type ReactionRemovedResolvers<ContextType = OperationContext, ParentType extends ResolversParentTypes['ReactionRemoved'] = ResolversParentTypes['ReactionRemoved']> = {
  id?: Resolver<Maybe<ResolversTypes['ID']>, ParentType, ContextType>;
  isGroup?: Resolver<ResolversTypes['Boolean'], ParentType, ContextType>;
  messageDeleted?: Resolver<ResolversTypes['Boolean'], ParentType, ContextType>;
  messageId?: Resolver<ResolversTypes['ID'], ParentType, ContextType>;
  reaction?: Resolver<ResolversTypes['String'], ParentType, ContextType>;
  reactionCount?: Resolver<ResolversTypes['Int'], ParentType, ContextType>;
  reactionUserIds?: Resolver<Array<ResolversTypes['ID']>, ParentType, ContextType>;
  timestamp?: Resolver<ResolversTypes['DateTime'], ParentType, ContextType>;
  userId?: Resolver<ResolversTypes['ID'], ParentType, ContextType>;
  __isTypeOf?: IsTypeOfResolverFn<ParentType, ContextType>;
};

export type ReactionSummaryResolvers<ContextType = OperationContext, ParentType extends ResolversParentTypes['ReactionSummary'] = ResolversParentTypes['ReactionSummary']> = {
  count?: Resolver<ResolversTypes['Int'], ParentType, ContextType>;
  reaction?: Resolver<ResolversTypes['String'], ParentType, ContextType>;
  userIds?: Resolver<Array<ResolversTypes['ID']>, ParentType, ContextType>;
};

export type ReadReceiptResolvers<ContextType = OperationContext, ParentType extends ResolversParentTypes['ReadReceipt'] = ResolversParentTypes['ReadReceipt']> = {
  messageId?: Resolver<ResolversTypes['ID'], ParentType, ContextType>;
  readAt?: Resolver<ResolversTypes['DateTime'], ParentType, ContextType>;
  readerId?: Resolver<ResolversTypes['ID'], ParentType, ContextType>;
};

export type ReportResolvers<ContextType = OperationContext, ParentType extends ResolversParentTypes['Report'] = ResolversParentTypes['Report']> = {
  content?: Resolver<ResolversTypes['String'], ParentType, ContextType>;
  id?: Resolver<ResolversTypes['ID'], ParentType, ContextType>;
  mediaUrl?: Resolver<Maybe<ResolversTypes['String']>, ParentType, ContextType>;
  message?: Resolver<Maybe<ResolversTypes['Message']>, ParentType, ContextType>;
  note?: Resolver<Maybe<ResolversTypes['String']>, ParentType, ContextType>;
  reason?: Resolver<ResolversTypes['String'], ParentType, ContextType>;
  reporter?: Resolver<ResolversTypes['User'], ParentType, ContextType>;
  resolvedAt?: Resolver<Maybe<ResolversTypes['DateTime']>, ParentType, ContextType>;
  resolvedBy?: Resolver<Maybe<ResolversTypes['User']>, ParentType, ContextType>;
  status?: Resolver<ResolversTypes['ReportStatus'], ParentType, ContextType>;
  timestamp?: Resolver<ResolversTypes['DateTime'], ParentType, ContextType>;
};

export type ReportConnectionResolvers<ContextType = OperationContext, ParentType extends ResolversParentTypes['ReportConnection'] = ResolversParentTypes['ReportConnection']> = {
  edges?: Resolver<Array<ResolversTypes['ReportEdge']>, ParentType, ContextType>;
  pageInfo?: Resolver<ResolversTypes['PageInfo'], ParentType, ContextType>;
};

export type ReportEdgeResolvers<ContextType = OperationContext, ParentType extends ResolversParentTypes['ReportEdge'] = ResolversParentTypes['ReportEdge']> = {
  cursor?: Resolver<ResolversTypes['String'], ParentType, ContextType>;
  node?: Resolver<ResolversTypes['Report'], ParentType, ContextType>;
};

export type ResumeIncompleteResolvers<ContextType = OperationContext, ParentType extends ResolversParentTypes['ResumeIncomplete'] = ResolversParentTypes['ResumeIncomplete']> = {
  id?: Resolver<Maybe<ResolversTypes['ID']>, ParentType, ContextType>;
  timestamp?: Resolver<ResolversTypes['DateTime'], ParentType, ContextType>;
  __isTypeOf?: IsTypeOfResolverFn<ParentType, ContextType>;
};

export type SubscriptionResolvers<ContextType = OperationContext, ParentType extends ResolversParentTypes['Subscription'] = ResolversParentTypes['Subscription']> = {
  activity: SubscriptionResolver<ResolversTypes['Activity'], "activity", ParentType, ContextType, RequireFields<SubscriptionActivityArgs, 'contents'>>;
  conversationEvents: SubscriptionResolver<ResolversTypes['Event'], "conversationEvents", ParentType, ContextType, RequireFields<SubscriptionConversationEventsArgs, 'conversationId'>>;
  events: SubscriptionResolver<ResolversTypes['Event'], "events", ParentType, ContextType, Partial<SubscriptionEventsArgs>>;
  messageSent: SubscriptionResolver<ResolversTypes['Message'], "messageSent", ParentType, ContextType, Partial<SubscriptionMessageSentArgs>>;
  notificationReceived: SubscriptionResolver<ResolversTypes['Notification'], "notificationReceived", ParentType, ContextType>;
  onlineStatus: SubscriptionResolver<ResolversTypes['OnlineStatusChanged'], "onlineStatus", ParentType, ContextType, Partial<SubscriptionOnlineStatusArgs>>;
  typing: SubscriptionResolver<ResolversTypes['TypingChanged'], "typing", ParentType, ContextType, RequireFields<SubscriptionTypingArgs, 'conversationId'>>;
};

export type TopicResolvers<ContextType = OperationContext, ParentType extends ResolversParentTypes['Topic'] = ResolversParentTypes['Topic']> = {
  head?: Resolver<ResolversTypes['Float'], ParentType, ContextType>;
  id?: Resolver<ResolversTypes['ID'], ParentType, ContextType>;
  lag?: Resolver<ResolversTypes['Float'], ParentType, ContextType>;
  nodes?: Resolver<Array<ResolversTypes['TopicOnNode']>, ParentType, ContextType>;
  subscribers?: Resolver<ResolversTypes['Int'], ParentType, ContextType>;
};

export type TopicOnNodeResolvers<ContextType = OperationContext, ParentType extends ResolversParentTypes['TopicOnNode'] = ResolversParentTypes['TopicOnNode']> = {
  lag?: Resolver<ResolversTypes['Float'], ParentType, ContextType>;
  node?: Resolver<ResolversTypes['ID'], ParentType, ContextType>;
  position?: Resolver<Maybe<ResolversTypes['Float']>, ParentType, ContextType>;
  subscribers?: Resolver<ResolversTypes['Int'], ParentType, ContextType>;
};

export type TypingChangedResolvers<ContextType = OperationContext, ParentType extends ResolversParentTypes['TypingChanged'] = ResolversParentTypes['TypingChanged']> = {
  conversationId?: Resolver<ResolversTypes['ID'], ParentType, ContextType>;
  id?: Resolver<Maybe<ResolversTypes['ID']>, ParentType, ContextType>;
  timestamp?: Resolver<ResolversTypes['DateTime'], ParentType, ContextType>;
  typing?: Resolver<ResolversTypes['Boolean'], ParentType, ContextType>;
  user?: Resolver<ResolversTypes['User'], ParentType, ContextType>;
  __isTypeOf?: IsTypeOfResolverFn<ParentType, ContextType>;
};

export type UserResolvers<ContextType = OperationContext, ParentType extends ResolversParentTypes['User'] = ResolversParentTypes['User']> = {
  avatar?: Resolver<Maybe<ResolversTypes['String']>, ParentType, ContextType>;
  bannedUntil?: Resolver<Maybe<ResolversTypes['DateTime']>, ParentType, ContextType>;
  createdAt?: Resolver<Maybe<ResolversTypes['DateTime']>, ParentType, ContextType>;
  id?: Resolver<ResolversTypes['ID'], ParentType, ContextType>;
  lastActive?: Resolver<Maybe<ResolversTypes['DateTime']>, ParentType, ContextType>;
  name?: Resolver<ResolversTypes['String'], ParentType, ContextType>;
  online?: Resolver<ResolversTypes['Boolean'], ParentType, ContextType>;
};

export type UserConnectionResolvers<ContextType = OperationContext, ParentType extends ResolversParentTypes['UserConnection'] = ResolversParentTypes['UserConnection']> = {
  edges?: Resolver<Array<ResolversTypes['UserEdge']>, ParentType, ContextType>;
  pageInfo?: Resolver<ResolversTypes['PageInfo'], ParentType, ContextType>;
};

export type UserEdgeResolvers<ContextType = OperationContext, ParentType extends ResolversParentTypes['UserEdge'] = ResolversParentTypes['UserEdge']> = {
  cursor?: Resolver<ResolversTypes['String'], ParentType, ContextType>;
  node?: Resolver<ResolversTypes['User'], ParentType, ContextType>;
};

export type UserErasedResolvers<ContextType = OperationContext, ParentType extends ResolversParentTypes['UserErased'] = ResolversParentTypes['UserErased']> = {
  id?: Resolver<Maybe<ResolversTypes['ID']>, ParentType, ContextType>;
  timestamp?: Resolver<ResolversTypes['DateTime'], ParentType, ContextType>;
  userId?: Resolver<ResolversTypes['ID'], ParentType, ContextType>;
  __isTypeOf?: IsTypeOfResolverFn<ParentType, ContextType>;
};

export type UserUpdatedResolvers<ContextType = OperationContext, ParentType extends ResolversParentTypes['UserUpdated'] = ResolversParentTypes['UserUpdated']> = {
  id?: Resolver<Maybe<ResolversTypes['ID']>, ParentType, ContextType>;
  timestamp?: Resolver<ResolversTypes['DateTime'], ParentType, ContextType>;
  user?: Resolver<ResolversTypes['User'], ParentType, ContextType>;
  __isTypeOf?: IsTypeOfResolverFn<ParentType, ContextType>;
};

export type Resolvers<ContextType = OperationContext> = {
  Activity?: ActivityResolvers<ContextType>;
  AuditEntry?: AuditEntryResolvers<ContextType>;
  AuditEntryConnection?: AuditEntryConnectionResolvers<ContextType>;
  AuditEntryEdge?: AuditEntryEdgeResolvers<ContextType>;
  BlockChanged?: BlockChangedResolvers<ContextType>;
  ClientConnection?: ClientConnectionResolvers<ContextType>;
  Cluster?: ClusterResolvers<ContextType>;
  ClusterNode?: ClusterNodeResolvers<ContextType>;
  Conversation?: ConversationResolvers<ContextType>;
  ConversationConnection?: ConversationConnectionResolvers<ContextType>;
  ConversationEdge?: ConversationEdgeResolvers<ContextType>;
  ConversationRead?: ConversationReadResolvers<ContextType>;
  ConversationSettings?: ConversationSettingsResolvers<ContextType>;
  ConversationSettingsChanged?: ConversationSettingsChangedResolvers<ContextType>;
  DateTime?: GraphQLScalarType;
  DayStatistics?: DayStatisticsResolvers<ContextType>;
  Event?: EventResolvers<ContextType>;
  Group?: GroupResolvers<ContextType>;
  GroupConnection?: GroupConnectionResolvers<ContextType>;
  GroupEdge?: GroupEdgeResolvers<ContextType>;
  GroupMember?: GroupMemberResolvers<ContextType>;
  GroupMemberConnection?: GroupMemberConnectionResolvers<ContextType>;
  GroupMemberEdge?: GroupMemberEdgeResolvers<ContextType>;
  GroupUpdated?: GroupUpdatedResolvers<ContextType>;
  JSON?: GraphQLScalarType;
  MemberJoined?: MemberJoinedResolvers<ContextType>;
  MemberLeft?: MemberLeftResolvers<ContextType>;
  Message?: MessageResolvers<ContextType>;
  MessageConnection?: MessageConnectionResolvers<ContextType>;
  MessageDeleted?: MessageDeletedResolvers<ContextType>;
  MessageEdge?: MessageEdgeResolvers<ContextType>;
  MessageEdited?: MessageEditedResolvers<ContextType>;
  MessageRead?: MessageReadResolvers<ContextType>;
  MessageSent?: MessageSentResolvers<ContextType>;
  Mutation?: MutationResolvers<ContextType>;
  Notification?: NotificationResolvers<ContextType>;
  NotificationConnection?: NotificationConnectionResolvers<ContextType>;
  NotificationEdge?: NotificationEdgeResolvers<ContextType>;
  NotificationRead?: NotificationReadResolvers<ContextType>;
  NotificationReceived?: NotificationReceivedResolvers<ContextType>;
  OnlineStatusChanged?: OnlineStatusChangedResolvers<ContextType>;
  PageInfo?: PageInfoResolvers<ContextType>;
  ProtocolCount?: ProtocolCountResolvers<ContextType>;
  Query?: QueryResolvers<ContextType>;
  ReactionAdded?: ReactionAddedResolvers<ContextType>;
  ReactionRemoved?: ReactionRemovedResolvers<ContextType>;
  ReactionSummary?: ReactionSummaryResolvers<ContextType>;
  ReadReceipt?: ReadReceiptResolvers<ContextType>;
  Report?: ReportResolvers<ContextType>;
  ReportConnection?: ReportConnectionResolvers<ContextType>;
  ReportEdge?: ReportEdgeResolvers<ContextType>;
  ResumeIncomplete?: ResumeIncompleteResolvers<ContextType>;
  Subscription?: SubscriptionResolvers<ContextType>;
  Topic?: TopicResolvers<ContextType>;
  TopicOnNode?: TopicOnNodeResolvers<ContextType>;
  TypingChanged?: TypingChangedResolvers<ContextType>;
  User?: UserResolvers<ContextType>;
  UserConnection?: UserConnectionResolvers<ContextType>;
  UserEdge?: UserEdgeResolvers<ContextType>;
  UserErased?: UserErasedResolvers<ContextType>;
  UserUpdated?: UserUpdatedResolvers<ContextType>;
};

export type DirectiveResolvers<ContextType = OperationContext> = {
  viewerDependent?: ViewerDependentDirectiveResolver<any, any, ContextType>;
};
