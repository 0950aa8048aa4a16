// All that the page says, in both languages.

export const texts = {
  en: {
    other: '日本語', theme: 'Colours:', 'theme.auto': 'Auto', 'theme.light': 'Light', 'theme.dark': 'Dark', skip: 'Skip to the content', menu: 'Menu', asking: 'Asking the daemon …', act: 'Actions', broken: 'This page cannot be shown: {error}', again: 'Try again',
    'page.now': 'Now', 'page.doors': 'Doors', 'page.clients': 'Clients', 'page.journal': 'Journal', 'page.bans': 'Bans', 'page.report': 'Report', 'page.check': 'Check', 'page.account': 'Account', 'page.why': 'Why',
    'rights.view': 'may look', 'rights.act': 'may act', 'rights.admin': 'administrator',
    'rights.view.means': 'You see everything, and change nothing.', 'rights.act.means': 'You can open a door for an address within its limits, revoke, ban and acknowledge.', 'rights.admin.means': 'You can do all that the console can.',
    todo: '{n} to look at', 'todo.what': 'What to do:',

    'login.title': 'Log in', 'login.link': 'On the gate, ask for a link and open it in this browser:', 'login.once': 'The link works once, within five minutes.', 'login.passkey': 'Log in with a passkey', 'login.proxy': 'Go on as the user of the proxy', 'login.already': 'This browser is logged in already. With someone else’s link you would act in that person’s name: go on only if you have asked for this link.', 'login.replace': 'It is my link: log in with it', 'login.over': 'You were logged out: the session has ended.',
    'fault.network': 'This page does not reach the console.', 'fault.knock': 'If the console is behind a door, knock again. The page goes on by itself.', 'fault.daemon': 'What you see is as old as that. The page goes on by itself.', 'fault.other': 'It did not work (status {status}).',

    'state.away': 'The console cannot be reached.', 'state.daemon': 'The daemon does not answer.', 'state.asking': 'Asking the daemon …',
    'state.closed': 'Everything is closed. {doors} {doors|door is|doors are} guarded.', 'state.open': '{n} {n|address is|addresses are} in, through {open} of {doors} {doors|door|doors}.',
    'state.problems': 'Guarding {doors} {doors|door|doors}, with {n} {n|problem|problems}.', 'state.trial': 'A new configuration is on trial until {until}.', 'state.nothing': 'There are no doors: nothing is guarded.', 'state.since': 'Sallyport {version}, running since {time}',
    'trial.keep': 'Keep this configuration', 'trial.kept': 'The configuration is kept.', 'trial.command': 'To keep it, run on the gate:',
    junk: 'junk packets a second', 'junk.title': 'Packets to closed ports, and what the moat has dropped, in the last ten minutes', 'junk.label': 'Junk dropped in the last ten minutes, now {rate} packets a second',

    in: 'Who is in', 'in.none': 'Nobody: every door is closed.', 'in.nobody': 'by hand, or by a sequence', 'in.left': 'Time left', single: 'one connection',
    revoke: 'Revoke', 'revoke.sure': 'End it, and cut connections', 'revoke.done': '{n} {n|grant|grants} ended, {cut} {cut|connection|connections} cut.', 'sure.again': 'Press again within five seconds. It cannot be undone.',
    client: 'Client', source: 'Source', door: 'Door', reason: 'Reason', kind: 'Kind', name: 'Name', for: 'For how long', until: 'until {time}', ago: '{span} ago', never: 'never', now: 'now', times: '{n} {n|time|times}', more: 'and {n} more',

    findings: 'To act on', 'findings.none': 'Nothing is worth a look.', evidence: 'Evidence', ack: 'Acknowledge', 'ack.done': 'Acknowledged.',
    'severity.critical': 'critical', 'severity.high': 'high', 'severity.medium': 'medium', 'severity.low': 'low', 'severity.info': 'info',
    asks: 'Asking to be let in', 'asks.until': 'valid for', 'asks.unknown': 'Nothing is known of this address.', code: 'Code that they see', approve: 'Let in', 'approve.done': 'Door {door} is open for {source}.', refuse: 'Refuse', 'refuse.sure': 'Refuse for good', 'refuse.done': 'Refused.',
    'lookup.last': 'Last let in', 'lookup.refusals': '{n} refused in the last day', 'lookup.banned': 'banned', 'lookup.never': 'Not let in in the last 30 days', 'asks.bound': 'The client has signed this address.', 'asks.tries': '{n} wrong {n|code|codes} left',

    timeline: 'Knocks', 'timeline.span': 'Length of time', 'timeline.partial': 'So much has happened that bars before {from} are not complete.', 'span.900': '15 minutes', 'span.3600': '1 hour', 'span.21600': '6 hours', 'span.86400': '24 hours', 'span.604800': '7 days',
    earlier: 'Earlier', later: 'Later', live: 'Live', 'live.on': 'live', 'live.off': 'not live',
    'lane.opened': 'Opened', 'lane.refused': 'Refused', 'lane.touched': 'Closed ports touched', 'chart.label': 'Knocks over time', 'chart.choose': 'Point at a bar, or use the arrow keys; Enter shows what it counts in the journal.', 'chart.bar': '{from} to {until}: {opened} opened, {refused} refused, {touched} packets to closed ports',
    reasons: 'Why knocks were refused', latest: 'Latest events', 'latest.none': 'Nothing has happened yet.', 'latest.journal': 'All of them are in the journal', sampled: '{n} events a second: the list shows the latest {shown}, four times a second. The bars count all of them.', missed: '{n} {n|event was|events were} not sent here. The bars have them from the journal.',
    heard: '{opened} opened, {refused} refused, {touched} packets to closed ports in the last ten seconds',

    'kind.grant': 'opened', 'kind.refusal': 'refused', 'kind.expiry': 'closed', 'kind.revocation': 'revoked', 'kind.use': 'used', 'kind.contacts': 'touched', 'kind.ban': 'ban', 'kind.login': 'login', 'kind.finding': 'finding', 'kind.ack': 'acknowledged', 'kind.enrolment': 'enrolment', 'kind.reload': 'reload', 'kind.start': 'start', 'kind.stop': 'stop', 'kind.repair': 'repair', 'kind.overload': 'overload', 'kind.clock': 'clock', 'kind.key': 'server key', 'kind.failure': 'failure', 'kind.drill': 'drill', 'kind.asked': 'asked', 'kind.allowed': 'let in', 'kind.declined': 'declined', 'kind.over': 'over',

    'doors.all': 'All doors', 'doors.none': 'There are none.', 'doors.now': 'Now', 'doors.open': 'open for {n}', 'doors.closed': 'closed', ports: 'Ports', 'open-for': 'Stays open', hours: 'Hours', 'hours.always': 'always', 'hours.closed': 'not now', sequence: 'Sequence', ways: 'Opened by', dropped: 'Packets refused',
    old: '{span} old', 'old.unknown': 'of unknown age', overdue: 'overdue', due: 'due {time}',
    open: 'Open', 'open.title': 'Open a door', 'open.source': 'For which address', 'open.mine': 'Mine ({address})', 'open.done': 'Door {door} is open for {source} until {time}.',
    'clients.all': 'All clients', 'clients.none': 'There are none.', 'clients.last': 'Last let in', 'clients.in': 'in', secret: 'Key or secret', expires: 'Expires', remove: 'Remove', 'remove.sure': 'Remove for good', 'remove.done': '{client} has been removed, and its grants have ended.', filter: 'Filter', copy: 'Copy',
    invite: 'Invite a device', 'invite.label': 'Label (for people)', 'invite.host': 'Address of this gate', 'invite.page': 'Page that it opens (none: a program)', 'invite.valid': 'Valid for', 'invite.make': 'Make an invite', 'invite.made': 'The first device that uses this link enrols itself, until {time}. It is as good as a key: give it to one person. It is shown this once.', 'invite.code': 'QR code of the link', 'invite.compare': 'The device shows the server’s key before it enrols. It has to be:', 'invite.forget': 'Put it away',
    all: 'all', apply: 'Show', clear: 'No filter', 'journal.entries': 'Entries, the latest first', 'journal.none': 'Nothing in the journal fits.', 'journal.earlier': 'Earlier entries', 'journal.all': 'not only from {since} to {until}',
    why: 'Why: {of}', 'why.title': 'What is known of it', 'why.journal': 'In the journal', 'why.now': 'Open now', 'why.closed': 'No door is open for it.', 'why.reasons': 'What was decided, and why', 'why.none': 'Nothing was refused or ended in the last 24 hours.', 'why.silent': 'Nothing has come in the last 24 hours. Either no packet arrived, or it came from another address.',
    ban: 'Ban', 'ban.title': 'Ban a source', 'ban.this': 'Ban this address', 'ban.sure': 'Ban it now', 'ban.done': '{source} is banned.', 'ban.usual': 'as configured', 'bans.all': 'Banned sources', 'bans.none': 'Nobody is banned.', 'bans.until': 'Until', unban: 'Lift', 'unban.sure': 'Lift the ban', 'unban.done': 'The ban of {source} is lifted.',
    days: '{n} {n|day|days}', count: 'Times', meaning: 'What it means', 'report.grants': 'grants', 'report.used': 'of them used', 'report.refused': 'knocks refused', 'report.packets': 'packets to closed ports', 'report.noisy': 'addresses that made noise', 'report.findings': 'open findings', 'report.advice': 'What to do', 'report.nothing': 'Nothing to do.', 'report.none': 'None.', 'report.last': 'Last opened',
    'check.title': 'The configuration in force, on this host', 'check.at': 'Looked at', 'check.none': 'Nothing is weak.', 'keys.title': 'Server keys', 'keys.none': 'There are none.', 'keys.suite': 'Suite', 'keys.fingerprint': 'Fingerprint', 'keys.previous': 'Before it', 'keys.until': 'until',
    'account.who': 'You', 'account.idle': 'The session ends after {span} without a request.', logout: 'Log out', 'logout.everywhere': 'Ends the session in all windows.', passkeys: 'Passkeys', 'passkeys.not': 'Passkeys need an https origin with a name ([console] origin); this is {origin}.', 'passkeys.none': 'There are none yet.', 'passkeys.date': 'Made', 'passkeys.used': 'Last used', 'passkeys.add': 'Make a passkey', 'passkeys.made': 'The passkey has been made.', 'passkeys.removed': 'The passkey has been removed.',
    'unit.second': '{n} s', 'unit.minute': '{n} min', 'unit.hour': '{n} h', 'unit.day': '{n} d',
  },
  ja: {
    other: 'English', theme: '配色:', 'theme.auto': '自動', 'theme.light': 'ライト', 'theme.dark': 'ダーク', skip: '本文へ移動', menu: 'メニュー', asking: 'デーモンに問い合わせています…', act: '操作', broken: 'このページを表示できません: {error}', again: '再試行',
    'page.now': '現在', 'page.doors': 'ドア', 'page.clients': 'クライアント', 'page.journal': 'ジャーナル', 'page.bans': '締め出し', 'page.report': 'レポート', 'page.check': '検査', 'page.account': 'アカウント', 'page.why': '理由',
    'rights.view': '閲覧のみ', 'rights.act': '操作可', 'rights.admin': '管理者',
    'rights.view.means': 'すべてを見られますが、変更はできません。', 'rights.act.means': '制限の範囲内で一つのアドレスにドアを開くこと、許可の取り消し、締め出し、検出事項の確認ができます。', 'rights.admin.means': 'コンソールのすべての操作ができます。',
    todo: '対処待ち {n} 件', 'todo.what': '対処:',

    'login.title': 'ログイン', 'login.link': 'ゲートでリンクを発行し、このブラウザーで開いてください:', 'login.once': 'リンクは 5 分以内に一度だけ使えます。', 'login.passkey': 'パスキーでログイン', 'login.proxy': 'プロキシのユーザーで続ける', 'login.already': 'このブラウザーはすでにログイン中です。他人のリンクを使うと、その人の名前で操作することになります。自分で発行したリンクの場合だけ続けてください。', 'login.replace': '自分のリンクなので、これでログインする', 'login.over': 'セッションが終了したため、ログアウトしました。',
    'fault.network': 'コンソールに接続できません。', 'fault.knock': 'コンソールがドアの奥にある場合は、もう一度ノックしてください。つながると自動で再開します。', 'fault.daemon': '表示は応答が途絶える前のものです。応答が戻ると自動で更新します。', 'fault.other': '実行できませんでした（ステータス {status}）。',

    'state.away': 'コンソールに接続できません。', 'state.daemon': 'デーモンが応答しません。', 'state.asking': 'デーモンに問い合わせています…',
    'state.closed': 'すべて閉じています。ドア {doors} 個を守っています。', 'state.open': 'ドア {doors} 個のうち {open} 個が、{n} 個のアドレスに開いています。',
    'state.problems': 'ドア {doors} 個を守っていますが、問題が {n} 件あります。', 'state.trial': '新しい設定を {until} まで試行しています。', 'state.nothing': 'ドアがありません。何も守られていません。', 'state.since': 'Sallyport {version}、{time} から稼働中',
    'trial.keep': 'この設定を確定する', 'trial.kept': '設定を確定しました。', 'trial.command': '確定するには、ゲートで次を実行してください:',
    junk: '不要パケット／秒', 'junk.title': '直近 10 分間の、閉じたポートへのパケットと XDP フィルターが破棄したもの', 'junk.label': '直近 10 分間に破棄した不要パケット。現在は毎秒 {rate} 個',

    in: 'いま許可している相手', 'in.none': '誰にも許可していません。すべてのドアが閉じています。', 'in.nobody': '手動またはシーケンス', 'in.left': '残り時間', single: '接続 1 本',
    revoke: '取り消す', 'revoke.sure': '終了して接続も切る', 'revoke.done': '許可 {n} 件を終了し、接続 {cut} 本を切断しました。', 'sure.again': '5 秒以内にもう一度押してください。元に戻せません。',
    client: 'クライアント', source: '送信元', door: 'ドア', reason: '理由', kind: '種類', name: '名前', for: '期間', until: '{time} まで', ago: '{span}前', never: 'なし', now: '現在', times: '{n} 回', more: 'ほか {n} 件',

    findings: '対処が必要なこと', 'findings.none': '対処が必要なことはありません。', evidence: '根拠', ack: '確認済みにする', 'ack.done': '確認済みにしました。',
    'severity.critical': '緊急', 'severity.high': '高', 'severity.medium': '中', 'severity.low': '低', 'severity.info': '情報',
    asks: '許可を求めている人', 'asks.until': '有効期間', 'asks.unknown': 'このアドレスの記録はありません。', code: '相手に表示されたコード', approve: '許可する', 'approve.done': 'ドア {door} を {source} に開きました。', refuse: '断る', 'refuse.sure': '本当に断る', 'refuse.done': '断りました。',
    'lookup.last': '最後の許可', 'lookup.refusals': 'この 1 日に {n} 回拒否', 'lookup.banned': '締め出し中', 'lookup.never': 'この 30 日間に許可なし', 'asks.bound': 'このアドレスはクライアントが署名しています。', 'asks.tries': 'コードはあと {n} 回試せます',

    timeline: 'ノック', 'timeline.span': '表示する期間', 'timeline.partial': '件数が多いため、{from} より前の棒は一部しか数えていません。', 'span.900': '15 分', 'span.3600': '1 時間', 'span.21600': '6 時間', 'span.86400': '24 時間', 'span.604800': '7 日間',
    earlier: '前へ', later: '次へ', live: 'ライブ', 'live.on': 'ライブ', 'live.off': '停止中',
    'lane.opened': '開いた', 'lane.refused': '拒否した', 'lane.touched': '閉じたポートへの接触', 'chart.label': 'ノックの推移', 'chart.choose': '棒を指すか、矢印キーで選んでください。Enter キーでジャーナルを表示します。', 'chart.bar': '{from} ～ {until}: 開いた {opened}、拒否した {refused}、閉じたポートへのパケット {touched}',
    reasons: 'ノックを拒否した理由', latest: '最近の出来事', 'latest.none': 'まだ何も起きていません。', 'latest.journal': 'すべての記録はジャーナルにあります', sampled: '毎秒 {n} 件の出来事があります。一覧は最新の {shown} 件を毎秒 4 回表示します。棒グラフはすべてを数えます。', missed: '{n} 件の出来事はここに届きませんでした。棒グラフはジャーナルから補います。',
    heard: '直近 10 秒間: 開いた {opened}、拒否した {refused}、閉じたポートへのパケット {touched}',

    'kind.grant': '許可', 'kind.refusal': '拒否', 'kind.expiry': '終了', 'kind.revocation': '取り消し', 'kind.use': '使用', 'kind.contacts': '接触', 'kind.ban': '締め出し', 'kind.login': 'ログイン', 'kind.finding': '検出事項', 'kind.ack': '確認', 'kind.enrolment': '登録', 'kind.reload': '再読み込み', 'kind.start': '開始', 'kind.stop': '停止', 'kind.repair': '修復', 'kind.overload': '過負荷', 'kind.clock': '時計', 'kind.key': 'サーバー鍵', 'kind.failure': '失敗', 'kind.drill': '演習', 'kind.asked': '許可の依頼', 'kind.allowed': '依頼を承認', 'kind.declined': '依頼を拒否', 'kind.over': '（終了）',

    'doors.all': 'すべてのドア', 'doors.none': 'ありません。', 'doors.now': '状態', 'doors.open': '{n} 件の許可', 'doors.closed': '閉', ports: 'ポート', 'open-for': '開いている時間', hours: '利用時間', 'hours.always': '常時', 'hours.closed': '時間外', sequence: 'シーケンス', ways: '開き方', dropped: '拒否したパケット',
    old: '{span}前に更新', 'old.unknown': '更新日は不明', overdue: '期限切れ', due: '更新期限 {time}',
    open: '開く', 'open.title': 'ドアを開く', 'open.source': 'アドレス', 'open.mine': '自分（{address}）', 'open.done': 'ドア {door} を {source} に {time} まで開きました。',
    'clients.all': 'すべてのクライアント', 'clients.none': 'ありません。', 'clients.last': '最後の許可', 'clients.in': '許可中', secret: '鍵と秘密', expires: '有効期限', remove: '削除', 'remove.sure': '本当に削除する', 'remove.done': '{client} を削除し、その許可を終了しました。', filter: '絞り込み', copy: 'コピー',
    invite: '端末を招待する', 'invite.label': 'ラベル（人のための説明）', 'invite.host': 'このゲートのアドレス', 'invite.page': '開くページ（プログラムなら空欄）', 'invite.valid': '有効期間', 'invite.make': '招待を作る', 'invite.made': 'このリンクを最初に使った端末が、{time} まで登録できます。鍵と同じ価値があるので、一人だけに渡してください。表示は一度きりです。', 'invite.code': 'リンクの QR コード', 'invite.compare': '登録の前に、端末がサーバーの鍵を表示します。次と同じでなければなりません:', 'invite.forget': '閉じる',
    all: 'すべて', apply: '表示', clear: '絞り込みを解除', 'journal.entries': '記録（新しい順）', 'journal.none': '該当する記録はありません。', 'journal.earlier': 'さらに前の記録', 'journal.all': '{since} ～ {until} に限らない',
    why: '理由: {of}', 'why.title': '記録を調べる', 'why.journal': 'ジャーナルで見る', 'why.now': '現在の許可', 'why.closed': '開いているドアはありません。', 'why.reasons': '判断とその理由', 'why.none': 'この 24 時間に、拒否や取り消しはありません。', 'why.silent': 'この 24 時間の記録はありません。パケットが届いていないか、別のアドレスから届いています。',
    ban: '締め出す', 'ban.title': '送信元を締め出す', 'ban.this': 'このアドレスを締め出す', 'ban.sure': '今すぐ締め出す', 'ban.done': '{source} を締め出しました。', 'ban.usual': '設定どおり', 'bans.all': '締め出し中の送信元', 'bans.none': '締め出し中の送信元はありません。', 'bans.until': '期限', unban: '解除', 'unban.sure': '締め出しを解除する', 'unban.done': '{source} の締め出しを解除しました。',
    days: '{n} 日間', count: '回数', meaning: '意味', 'report.grants': '許可', 'report.used': 'うち使用', 'report.refused': '拒否したノック', 'report.packets': '閉じたポートへのパケット', 'report.noisy': '雑音を出したアドレス', 'report.findings': '未確認の検出事項', 'report.advice': '対処すること', 'report.nothing': '対処することはありません。', 'report.none': 'ありません。', 'report.last': '最後の許可',
    'check.title': '有効な設定とこのホスト', 'check.at': '検査時刻', 'check.none': '弱い点は見つかりませんでした。', 'keys.title': 'サーバー鍵', 'keys.none': 'ありません。', 'keys.suite': '方式', 'keys.fingerprint': 'フィンガープリント', 'keys.previous': '以前の鍵', 'keys.until': '期限',
    'account.who': '利用者', 'account.idle': '操作がないまま {span} 経つと、セッションは終了します。', logout: 'ログアウト', 'logout.everywhere': 'すべてのウィンドウでセッションを終了します。', passkeys: 'パスキー', 'passkeys.not': 'パスキーには、名前のある https のオリジン（[console] origin）が必要です。現在のオリジンは {origin} です。', 'passkeys.none': 'まだありません。', 'passkeys.date': '作成', 'passkeys.used': '最後の使用', 'passkeys.add': 'パスキーを作る', 'passkeys.made': 'パスキーを作りました。', 'passkeys.removed': 'パスキーを削除しました。',
    'unit.second': '{n} 秒', 'unit.minute': '{n} 分', 'unit.hour': '{n} 時間', 'unit.day': '{n} 日',
  },
};
