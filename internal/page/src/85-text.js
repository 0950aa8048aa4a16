// All that the page says. {x} is replaced by a value.

const texts = {
  en: {
    title: 'Sallyport', lead: 'Opens doors of your gates. Nothing is installed, and nothing is asked of any other server.',
    'default-door': 'the usual doors', open: 'Open {door}', 'open-again': 'Open {door} again', close: 'Close now', service: 'Go to {service}',
    knocking: 'Knocking …', 'still-knocking': 'No answer yet; still knocking …',
    opened: 'Open for {seen}.', 'opened-here': 'Open.', until: 'Closes in {left}.', over: 'The time is over: the door has closed again.', closed: 'Closed.',
    sent: 'The sequence has been sent. The gate does not answer sequences: whether the door is open shows when you use it.',
    'sent-until': 'If it has opened, it closes in {left}.', again: 'You can knock again in {left}.',
    'sent-help': 'If it does not open', 'sent-advice': 'Knock once more. The clock of this device says {now}: is that right to half a minute? The secret may have been changed: ask for a new link. Use the service from the same network as this page.',
    silence: 'No answer. The clock of this device says {now}: is that right to a minute? Otherwise this network lets no UDP out, or the gate does not know this device’s key, or it does not take messages from browsers.',
    'used-up': 'The sequences of this half minute have been sent. The next one can be sent at {again}.',
    'clock-behind': 'The clock of this device is wrong: it says {now}, but this link or page was made later, on {known}. Set the clock, then knock again.',
    'no-webrtc': 'This browser cannot knock: WebRTC is switched off (a setting, an extension, Tor Browser or Lockdown Mode). Switch it on, or use another browser.',
    'no-crypto': 'This page has come by plain http, where browsers offer no cryptography. Open it by https, or save it and open the file.',
    framed: 'This page does not run inside another one. Open it by itself.',
    'not-kept': 'This browser keeps nothing here (a private window, or storage is switched off). What you add is forgotten when the page is closed.',
    'no-gates': 'There is no gate yet. Open the link that your administrator has given you, or paste it below.',
    add: 'Add a gate', 'add-help': 'Paste the link, the text of its QR code, or a profile. The camera of a phone opens a QR code by itself.', 'add-label': 'Link or profile', 'add-paste': 'Look at it', 'add-file': 'Choose a profile',
    'confirm-add': 'Add the gate {name}?', 'confirm-replace': 'There is a gate {name} at this address. Replace it?', 'confirm-other': 'This link is for another gate: {name}. Those that you have stay as they are. Add it?', 'confirm-doors': 'Address {host}; doors: {doors}.',
    yes: 'Add', 'confirm-enrol': 'Enrol this device at the gate {name}? The invite is used up by it.', enrol: 'Enrol', 'enrol-again': 'Try again', enrolling: 'Enrolling …', 'no-ed25519': 'This browser is too old for invites: it has no Ed25519. Update it, or give your administrator the key below.', replace: 'Replace', no: 'Not now', added: 'The gate {name} has been added.',
    'no-door': 'This shortcut is for the door {door}, which no gate here has.',
    'bad-link': 'This is no link or profile of a gate, or a part of it is missing. Copy it again as a whole.',
    'key-text': 'The server’s key is damaged. Copy the link again as a whole.',
    'key-hybrid': 'The server’s key is of the post-quantum suite, which browsers cannot use. Ask for a link with a x25519 key, or with a secret for sequences.',
    'udp-knocks': 'The sequences of this gate have UDP knocks, which a browser cannot send one by one. The gate needs proto = "tcp" in [rotating].',
    'no-address': '{host} is a name. A browser would give every knock to its resolver first: the link needs the address of the gate instead (--host ADDRESS).',
    'refused-port': 'Browsers refuse to send to port {port}. The gate needs another SPA port.',
    'bad-service': '{text} is not an address that the page will lead to: use https, http, ssh, sftp, rdp or vnc.',
    settings: 'Settings', ask: 'Ask before knocking', 'service-of': 'Address to go to behind {door}', save: 'Save', remove: 'Remove this gate', 'confirm-remove': 'Remove {name}? Its secret is deleted on this device.', 'remove-yes': 'Remove', cancel: 'Cancel', 'confirm-open': 'Knock at {name} for {door}?', 'confirm-yes': 'Knock',
    key: 'Key of this device', 'key-help': 'For a gate that takes messages from browsers, give your administrator this line. It is public; its private half cannot leave this browser.', 'key-command': 'On the gate: sallyport client add NAME --key - --browser --door DOOR', copy: 'Copy', copied: 'Copied.', 'passkey-help': 'A passkey instead of this key stays where this device or its account keeps passkeys, and asks for your fingerprint, face or PIN at each knock. Gates that you add from then on know you by it.', 'passkey-make': 'Make a passkey', 'passkey-made': 'The passkey has been made. Give your administrator the line below.', 'passkey-no': 'The passkey was not used: you said no, or it took too long.', 'passkey-late': 'It took too long. Tap again.', 'passkey-form': 'This browser writes passkey signatures in a form that gates do not know. Use another browser, or the key without a passkey.',
    'key-qr': 'QR code of the key',
    language: '日本語', builtin: 'It is part of this file.', failed: 'It did not work: {message}', gone: 'This gate has been removed in another window.',
  },
  ja: {
    title: 'Sallyport', lead: 'ゲートの扉を開けます。インストールは不要で、ほかのサーバーには何も問い合わせません。',
    'default-door': 'いつもの扉', open: '{door} を開ける', 'open-again': '{door} をもう一度開ける', close: '今すぐ閉じる', service: '{service} へ移動',
    knocking: 'ノックしています…', 'still-knocking': 'まだ応答がありません。ノックを続けています…',
    opened: '{seen} に対して開いています。', 'opened-here': '開いています。', until: 'あと {left} で閉じます。', over: '時間が過ぎたため、扉は閉じました。', closed: '閉じました。',
    sent: 'シーケンスを送りました。ゲートはシーケンスに応答しません。開いたかどうかは、サービスを使うと分かります。',
    'sent-until': '開いていれば、あと {left} で閉じます。', again: 'あと {left} で再びノックできます。',
    'sent-help': '開かないとき', 'sent-advice': 'もう一度ノックしてください。この端末の時計は {now} です。30 秒以内の誤差で合っていますか。シークレットが変更された可能性もあります。その場合は新しいリンクを依頼してください。サービスは、このページと同じネットワークから使ってください。',
    silence: '応答がありません。この端末の時計は {now} です。1 分以内の誤差で合っていますか。合っていれば、このネットワークが UDP を通さないか、ゲートがこの端末の鍵を知らないか、ブラウザーからのメッセージを受け付けていません。',
    'used-up': 'この 30 秒のシーケンスは送信済みです。次は {again} に送れます。',
    'clock-behind': 'この端末の時計が間違っています。時計は {now} ですが、このリンクまたはページはそれより後の {known} に作られました。時計を合わせてから、もう一度ノックしてください。',
    'no-webrtc': 'このブラウザーはノックできません。WebRTC が無効です（設定、拡張機能、Tor Browser、ロックダウンモード）。有効にするか、別のブラウザーを使ってください。',
    'no-crypto': 'このページは暗号化されていない http で開かれています。ブラウザーはその場合に暗号機能を提供しません。https で開くか、ファイルに保存して開いてください。',
    framed: 'このページは、ほかのページの中では動きません。単独で開いてください。',
    'not-kept': 'このブラウザーはここに何も保存しません（プライベートウィンドウ、または保存が無効）。追加したものは、ページを閉じると失われます。',
    'no-gates': 'ゲートはまだありません。管理者から受け取ったリンクを開くか、下に貼り付けてください。',
    add: 'ゲートを追加', 'add-help': 'リンク、QR コードの文字列、またはプロファイルを貼り付けてください。QR コードはスマートフォンのカメラで開けます。', 'add-label': 'リンクまたはプロファイル', 'add-paste': '確認する', 'add-file': 'プロファイルを選ぶ',
    'confirm-add': 'ゲート {name} を追加しますか。', 'confirm-replace': 'このアドレスのゲート {name} がすでにあります。置き換えますか。', 'confirm-other': 'このリンクは別のゲート {name} のものです。今あるゲートはそのまま残ります。追加しますか。', 'confirm-doors': 'アドレス {host}、扉: {doors}。',
    yes: '追加', 'confirm-enrol': 'この端末をゲート {name} に登録しますか。招待は一度だけ使えます。', enrol: '登録', 'enrol-again': 'もう一度試す', enrolling: '登録しています…', 'no-ed25519': 'このブラウザーは古く、Ed25519 がないため招待を使えません。更新するか、下の鍵を管理者に渡してください。', replace: '置き換える', no: '今はしない', added: 'ゲート {name} を追加しました。',
    'no-door': 'このショートカットの扉 {door} を持つゲートは、ここにはありません。',
    'bad-link': 'ゲートのリンクまたはプロファイルではないか、一部が欠けています。全体をもう一度コピーしてください。',
    'key-text': 'サーバーの鍵が壊れています。リンク全体をもう一度コピーしてください。',
    'key-hybrid': 'サーバーの鍵は耐量子暗号の方式で、ブラウザーでは使えません。x25519 の鍵、またはシーケンスのシークレットを含むリンクを依頼してください。',
    'udp-knocks': 'このゲートのシーケンスには UDP のノックがあり、ブラウザーでは一つずつ送れません。ゲートの [rotating] に proto = "tcp" が必要です。',
    'no-address': '{host} は名前です。名前を使うと、ブラウザーはノックごとに名前解決サーバーへ問い合わせてしまいます。リンクにはゲートの IP アドレスが必要です（--host ADDRESS）。',
    'refused-port': 'ブラウザーはポート {port} への送信を拒否します。ゲートには別の SPA ポートが必要です。',
    'bad-service': '{text} には移動できません。https、http、ssh、sftp、rdp、vnc のいずれかを使ってください。',
    settings: '設定', ask: 'ノックの前に確認する', 'service-of': '{door} の先のアドレス', save: '保存', remove: 'このゲートを削除', 'confirm-remove': '{name} を削除しますか。この端末からシークレットが消えます。', 'remove-yes': '削除', cancel: 'キャンセル', 'confirm-open': '{name} で {door} のためにノックしますか。', 'confirm-yes': 'ノックする',
    key: 'この端末の鍵', 'key-help': 'ブラウザーからのメッセージを受け付けるゲートには、管理者にこの行を渡してください。これは公開鍵です。秘密鍵はこのブラウザーの外へ出ません。', 'key-command': 'ゲートで: sallyport client add NAME --key - --browser --door DOOR', copy: 'コピー', copied: 'コピーしました。', 'passkey-help': 'この鍵の代わりにパスキーを使うと、端末またはアカウントのパスキー保管先に置かれ、ノックのたびに指紋、顔、PIN のいずれかを求めます。その後に追加するゲートはパスキーで端末を識別します。', 'passkey-make': 'パスキーを作る', 'passkey-made': 'パスキーを作りました。下の行を管理者に渡してください。', 'passkey-no': 'パスキーは使われませんでした。取り消されたか、時間がかかりすぎました。', 'passkey-late': '時間がかかりすぎました。もう一度タップしてください。', 'passkey-form': 'このブラウザーのパスキー署名は、ゲートの知らない形式です。別のブラウザーか、パスキーではない鍵を使ってください。',
    'key-qr': '鍵の QR コード',
    language: 'English', builtin: 'このファイルに含まれています。', failed: '失敗しました: {message}', gone: 'このゲートは別のウィンドウで削除されました。',
  },
};

let language = 'en';

function say(key, values = {}) {
  return texts[language][key].replace(/\{(\w+)\}/g, (_, name) => shown(values[name]));
}

function shown(value) {
  return value instanceof Date ? value.toLocaleString(language, { dateStyle: 'medium', timeStyle: 'medium' }) : String(value);
}

// left is a time to come as 0:42 or 1:02:03.
function left(until, now) {
  const s = Math.max(0, Math.ceil((until - now) / 1000));
  const two = (n) => String(n).padStart(2, '0');
  const [hours, minutes] = [Math.floor(s / 3600), Math.floor(s / 60) % 60];
  return (hours ? `${hours}:${two(minutes)}` : `${minutes}`) + ':' + two(s % 60);
}

const sayFault = (fault) => (fault instanceof Fault ? say(fault.key, fault.values) : say('failed', { message: fault.message || fault }));
